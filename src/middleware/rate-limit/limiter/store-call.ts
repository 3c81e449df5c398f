/** One question to the store on its way, and what it is about. */
import { costOf, type Limit } from "../../../contract/policy.ts";
import { waitMs } from "./bucket.ts";
import type { KeyState } from "./bucket-state.ts";
import type { Demanded } from "./limit-check.ts";
import type { Flight } from "./pending-refill.ts";
import type { BucketAsk, BucketReply } from "./store.ts";

interface Passenger {
  readonly limit: Limit;
  readonly ask: BucketAsk;
  readonly state: KeyState;
  readonly era: number;
  readonly flight: Flight | undefined;
}

export interface StoreCallPlan {
  readonly sentAtMs: number;
  /** For so long it is waited for, milliseconds. */
  readonly timeoutMs: number;
  /** How long it is expected to take, milliseconds. */
  readonly tripMs: number;
  /** Who asks has waited before: that there is too little time says nothing of the store. @default false */
  readonly isHurried?: boolean;
  /** No request is there yet that needs what it brings. @default false */
  readonly isAhead?: boolean;
}

export class StoreCall {
  readonly plan: StoreCallPlan;
  readonly #passengers: Passenger[] = [];
  /** The buckets that may refuse it. */
  readonly #needed: string[] = [];
  #replies: readonly BucketReply[] = [];

  constructor(plan: StoreCallPlan) {
    this.plan = plan;
  }

  /** @param need without so many the request is refused; 0 for what is asked for in advance */
  add({ limit, key, state }: Demanded, need: number, want: number): void {
    const { sentAtMs, timeoutMs, tripMs, isAhead = false } = this.plan;
    const isDryRun = limit.dryRun === true;
    const ask: BucketAsk = {
      bucket: key.bucket,
      overrideField: key.overrideField,
      rule: limit,
      need,
      want,
      share: state.share(limit, sentAtMs),
      isDryRun,
    };
    if (need > 0 && !isDryRun) this.#needed.push(key.bucket);
    const { era } = state;
    const others = isAhead ? need : 0;
    const plan = {
      asked: Math.max(0, want - need) + others,
      spare: state.spare(limit, need, want, tripMs, sentAtMs) + others,
      isScarce: state.isScarce(want, sentAtMs),
      sentAtMs,
      untilMs: sentAtMs + timeoutMs,
      needed: this.#needed,
      era,
    };
    const flight = plan.asked > 0 ? state.depart(plan) : undefined;
    this.#passengers.push({ limit, ask, state, era, flight });
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
    for (const [index, { limit, ask, state, era, flight }] of this.#passengers.entries()) {
      const reply = replies[index];
      if (reply === undefined) continue;
      const isShort = reply.granted < ask.want;
      state.note(reply, isShort, nowMs);
      // Until then the next one is refused, whatever other isolates do.
      const lackMs = waitMs(reply.available, costOf(limit), reply.rule);
      if (lackMs > 0 || (isShort && flight?.plan.isScarce === true))
        state.refuse(limit, reply.rule, lackMs, nowMs);
      const used = isRefused || reply.waitMs > 0 || this.plan.isAhead === true ? 0 : ask.need;
      state.arrive(reply.granted - used, { sentAtMs: this.plan.sentAtMs, era }, flight);
      if (isShort) state.rest(nowMs);
    }
  }

  failed(nowMs: number): void {
    for (const { state, flight } of this.#passengers) state.fail(flight, nowMs);
  }

  replyFor(bucket: string): BucketReply | undefined {
    return this.#replies[this.#passengers.findIndex(({ ask }) => ask.bucket === bucket)];
  }
}
