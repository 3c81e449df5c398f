/** One question to the store on its way, and what it is about. */
import { costOf, type Limit } from "../../contract/policy.ts";
import { waitMs } from "./bucket.ts";
import type { Demanded } from "./demanded.ts";
import type { Flight } from "./flight.ts";
import type { KeyState } from "./key-state.ts";
import type { BucketAsk, BucketReply } from "./store.ts";

interface Passenger {
  readonly limit: Limit;
  readonly ask: BucketAsk;
  readonly state: KeyState;
  readonly flight: Flight | undefined;
}

export class StoreCall {
  readonly sentAtMs: number;
  /** For so long it is waited for, milliseconds. */
  readonly timeoutMs: number;
  /** No request is there yet that needs what it brings. */
  readonly #isAhead: boolean;
  readonly #passengers: Passenger[] = [];
  #replies: readonly BucketReply[] = [];

  constructor(sentAtMs: number, timeoutMs: number, isAhead = false) {
    this.sentAtMs = sentAtMs;
    this.timeoutMs = timeoutMs;
    this.#isAhead = isAhead;
  }

  /** @param need without so many the request is refused; 0 for what is asked for in advance */
  add({ limit, key, state }: Demanded, need: number, want: number, nowMs: number): void {
    const ask: BucketAsk = {
      bucket: key.bucket,
      overrideField: key.overrideField,
      rule: limit,
      need,
      want,
      share: state.share(limit, nowMs),
      isDryRun: limit.dryRun === true,
    };
    const spare = state.spare(need, want, nowMs) + (this.#isAhead ? need : 0);
    const flight = spare > 0 ? state.depart(spare, nowMs + this.timeoutMs, nowMs) : undefined;
    this.#passengers.push({ limit, ask, state, flight });
  }

  get asks(): readonly BucketAsk[] {
    return this.#passengers.map(({ ask }) => ask);
  }

  /** What it has found out goes to the isolate's knowledge of each bucket. */
  answered(replies: readonly BucketReply[], nowMs: number): void {
    this.#replies = replies;
    const isRefused = replies.some(
      (reply, index) => reply.waitMs > 0 && !this.#passengers[index]?.ask.isDryRun,
    );
    for (const [index, { limit, ask, state, flight }] of this.#passengers.entries()) {
      const reply = replies[index];
      if (reply === undefined) continue;
      state.note(reply);
      // Until then the next one is refused, whatever other isolates do.
      const lackMs = waitMs(reply.available, costOf(limit), reply.rule);
      if (lackMs > 0) state.refuse(limit, lackMs, nowMs);
      const used = isRefused || reply.waitMs > 0 || this.#isAhead ? 0 : ask.need;
      if (flight !== undefined) state.arrive(flight, reply.granted - used, this.sentAtMs);
      if (reply.granted < ask.want) state.rest(nowMs);
    }
  }

  failed(nowMs: number): void {
    for (const { state, flight } of this.#passengers) {
      if (flight !== undefined) state.fail(flight, nowMs);
      else state.rest(nowMs);
    }
  }

  replyFor(bucket: string): BucketReply | undefined {
    return this.#replies[this.#passengers.findIndex(({ ask }) => ask.bucket === bucket)];
  }
}
