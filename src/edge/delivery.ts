/** One request on its way to the origins: the attempts that are under way, and what follows from how they end. */
import type { Allowance } from "../core/pool/allowance.ts";
import type { PoolAttempt } from "../core/pool/attempt.ts";
import type { LatencyHistogram } from "../core/pool/latency-histogram.ts";
import type { OriginPool, PoolRejection } from "../core/pool/pool.ts";
import type { Repetition } from "../core/pool/repetition.ts";
import type { AttemptCause, AttemptEvent, AttemptRecord, RetryDenial } from "./attempt-events.ts";
import { pause } from "./cache/pause.ts";
import type { OriginAddress } from "./configuration.ts";
import { absenceOf, discard, type Outcome, type SendAttempt, type SendableRequest } from "./send-attempt.ts";

export interface OriginRequest extends SendableRequest {
  /** Its route's name in the contract: from a closed set. */
  readonly route: string;
  readonly repetition: Repetition;
  readonly deadline: AbortSignal;
  /** Gets what was done for it. */
  readonly trail?: AttemptRecord[] | undefined;
}

export interface Unreachable {
  readonly kind: "unreachable";
  /** Where no origin may be called: when to try again, whole seconds, at least 1. */
  readonly retryAfterS?: number;
}

export type OriginAnswer =
  | { readonly kind: "answered"; readonly response: Response }
  /** No origin took the request. */
  | Unreachable
  /** Something answered that is not our origin: a proxy's own page, say. */
  | { readonly kind: "foreign" }
  | { readonly kind: "timed_out" };

/** What all deliveries of an isolate share: plain data, no promise. */
export interface DeliveryContext {
  readonly origins: readonly OriginAddress[];
  readonly pool: OriginPool;
  readonly retries: Allowance;
  /** Undefined where nothing is sent to two at once. */
  readonly hedges: Allowance | undefined;
  readonly sendAttempt: SendAttempt;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  readonly observe: (event: AttemptEvent) => void;
}

/** A request is sent so often at most, hedges included. */
const MAX_ATTEMPTS = 3;
/** With less time left at its beginning, an attempt that is not answered in time says nothing, milliseconds. */
const TELLING_MS = 500;
/** The same origin is given a moment before it is asked again; three times as long before the next time. */
const FIRST_PAUSE_MS = 50;
const PAUSE_FACTOR = 3;
/** Of the time that is left a pause takes so much at most. */
const PAUSE_SHARE = 0.1;
/** An answer that takes so many times as long as nearly all do is given up, or asked for once more. */
const PATIENCE = 4;
/** However fast a route is, nothing is thought to be lost before that, milliseconds. */
const LEAST_PATIENCE_MS = 250;

interface Running {
  readonly attempt: PoolAttempt;
  readonly number: number;
  readonly cause: AttemptCause;
  readonly startedMs: number;
  readonly controller: AbortController | undefined;
  readonly outcome: Promise<Ended>;
}

interface Ended {
  readonly running: Running;
  readonly outcome: Outcome;
}

const LATE = "late";

export class Delivery {
  readonly #context: DeliveryContext;
  readonly #request: OriginRequest;
  readonly #latencies: LatencyHistogram;
  readonly #tried: number[] = [];
  #running: readonly Running[] = [];
  #made = 0;
  /** What is to be done at `#lateAtMs` where there is no answer by then. */
  #next: "hedge" | "patience" | undefined;
  #lateAtMs = Number.POSITIVE_INFINITY;
  #isLook = false;
  /** Our origin's own words, for whom no other one does better. */
  #refusal: Response | undefined;

  constructor(context: DeliveryContext, request: OriginRequest, latencies: LatencyHistogram) {
    this.#context = context;
    this.#request = request;
    this.#latencies = latencies;
  }

  async run(): Promise<OriginAnswer> {
    const refused = this.#start("first");
    if (refused !== undefined) return unreachable(refused, this.#context.now());
    this.#planHedge();
    for (;;) {
      const event = await this.#event();
      const answer = event === LATE ? this.#late() : await this.#ended(event);
      if (answer !== undefined) return answer;
    }
  }

  /** @returns undefined where it was started */
  #start(cause: AttemptCause): PoolRejection | undefined {
    const { pool, now } = this.#context;
    const isFirst = cause === "first";
    const mayRepeat = this.#request.repetition !== "never";
    let attempt = pool.acquire({ isRepeatable: isFirst && mayRepeat, except: this.#tried });
    // Behind one address there may be many pods: a new connection reaches another one.
    if (!(isFirst || attempt.granted)) attempt = pool.acquire({ isRepeatable: false });
    if (!attempt.granted) return attempt;
    if (attempt.isLook && isFirst) this.#isLook = true;
    this.#send(attempt, attempt.isLook && isFirst ? "look" : cause, now());
    return undefined;
  }

  #send(attempt: PoolAttempt, cause: AttemptCause, startedMs: number): void {
    const { sendAttempt, origins } = this.#context;
    const { repetition, deadline } = this.#request;
    const address = origins[attempt.origin];
    if (address === undefined) throw new Error("the pool knows an origin that there is not");
    this.#made += 1;
    if (!this.#tried.includes(attempt.origin)) this.#tried.push(attempt.origin);
    const controller = repetition === "never" ? undefined : new AbortController();
    const signal = controller === undefined ? deadline : AbortSignal.any([deadline, controller.signal]);
    const sending = sendAttempt(this.#request, {
      address,
      number: this.#made,
      isRead: repetition === "race",
      signal,
    });
    const running: Running = {
      attempt,
      number: this.#made,
      cause,
      startedMs,
      controller,
      outcome: sending.then((outcome) => ({ running, outcome })),
    };
    this.#running = [...this.#running, running];
  }

  /** The first attempt that ends, or that it takes too long. */
  async #event(): Promise<Ended | typeof LATE> {
    const outcomes = this.#running.map(({ outcome }) => outcome);
    if (this.#lateAtMs === Number.POSITIVE_INFINITY) return await Promise.race(outcomes);
    const late = Promise.withResolvers<typeof LATE>();
    const timer = setTimeout(() => late.resolve(LATE), Math.max(0, this.#lateAtMs - this.#context.now()));
    try {
      return await Promise.race([...outcomes, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #planHedge(): void {
    const { p95Ms } = this.#latencies;
    const mayHedge = this.#request.repetition === "race" && this.#context.hedges !== undefined;
    if (mayHedge && p95Ms !== undefined) this.#plan("hedge", this.#context.now() + p95Ms);
    else this.#planPatience();
  }

  #planPatience(): void {
    const { p95Ms } = this.#latencies;
    const nowMs = this.#context.now();
    const halfMs = (this.#request.deadlineAtMs - nowMs) / 2;
    const isTelling = p95Ms !== undefined && PATIENCE * p95Ms < halfMs;
    if (this.#request.repetition === "race") {
      const patienceMs = isTelling ? Math.max(PATIENCE * p95Ms, LEAST_PATIENCE_MS) : halfMs;
      this.#plan("patience", nowMs + Math.min(patienceMs, halfMs));
    } else if (this.#request.repetition === "again" && isTelling) {
      // What is under way would be given up for it.
      this.#plan("patience", nowMs + halfMs);
    }
  }

  #plan(next: "hedge" | "patience" | undefined, lateAtMs = Number.POSITIVE_INFINITY): void {
    this.#next = next;
    this.#lateAtMs = lateAtMs;
  }

  #late(): undefined {
    const { hedges, retries, now } = this.#context;
    const next = this.#next;
    this.#plan(undefined);
    if (next === "hedge") {
      // Who is sent to find something out is not to pay for it.
      if (this.#isLook) this.#start("hedge");
      else if (hedges?.take(now()) && this.#start("hedge") !== undefined) hedges.giveBack();
      this.#planPatience();
    } else if (this.#denial() === undefined) {
      const before = this.#running;
      if (this.#start("retry") !== undefined) retries.giveBack();
      else if (this.#request.repetition === "again") this.#leave(before, now());
    }
  }

  /** @returns the request's answer; undefined while there may be another one */
  async #ended({ running, outcome }: Ended): Promise<OriginAnswer | undefined> {
    this.#running = this.#running.filter((each) => each !== running);
    const nowMs = this.#context.now();
    if (outcome.kind === "answered") {
      this.#answered(running, outcome.response, nowMs);
      return outcome;
    }
    if (outcome.kind === "aborted") {
      this.#outOfTime([running, ...this.#running], nowMs);
      return { kind: "timed_out" };
    }
    this.#failed(running, outcome, nowMs);
    if (await this.#retried(outcome)) return undefined;
    if (this.#running.length > 0) return undefined;
    if (this.#refusal !== undefined) return { kind: "answered", response: this.#refusal };
    return outcome.kind === "broken" ? { kind: "unreachable" } : { kind: "foreign" };
  }

  #answered(running: Running, response: Response, nowMs: number): void {
    // An origin that answers 504 has taken all of its time.
    if (response.status >= 500 && response.status !== 504) running.attempt.erred();
    else {
      running.attempt.answered();
      this.#learn(running, nowMs - running.startedMs);
    }
    this.#record(running, "answered", nowMs);
    this.#leave(this.#running, nowMs, running);
    if (this.#refusal !== undefined) discard(this.#refusal);
  }

  /** Ends what is still under way. @param winner which other one was faster */
  #leave(losers: readonly Running[], nowMs: number, winner?: Running): void {
    const { p95Ms = Number.POSITIVE_INFINITY } = this.#latencies;
    for (const loser of losers) {
      const elapsedMs = nowMs - loser.startedMs;
      // Who has begun later has not been slower.
      if (winner === undefined || loser.number < winner.number) loser.attempt.outrun();
      else loser.attempt.ignore();
      // It would have taken longer still: were it left out, the quantile would come down with each hedge.
      if (elapsedMs >= p95Ms) this.#learn(loser, elapsedMs);
      loser.controller?.abort();
      this.#record(loser, "outrun", nowMs);
    }
    this.#running = this.#running.filter((running) => !losers.includes(running));
  }

  /** Looks go where others would not: what they find is not how long the route takes. */
  #learn({ cause }: Running, latencyMs: number): void {
    if (cause !== "look") this.#latencies.add(latencyMs);
  }

  #outOfTime(all: readonly Running[], nowMs: number): void {
    const { deadline, deadlineAtMs } = this.#request;
    for (const running of all) {
      const hadMs = deadlineAtMs - running.startedMs;
      if (isTimeout(deadline) && hadMs >= TELLING_MS) running.attempt.absent("timed_out");
      else running.attempt.ignore();
      running.controller?.abort();
      this.#record(running, "timed_out", nowMs);
    }
    if (this.#refusal !== undefined) discard(this.#refusal);
  }

  #failed(
    running: Running,
    outcome: Exclude<Outcome, { kind: "answered" | "aborted" }>,
    nowMs: number,
  ): void {
    const absence = absenceOf(outcome);
    if (absence !== undefined) running.attempt.absent(absence);
    else running.attempt.refused(outcome.kind === "refused" ? outcome.retryAfterMs : 0);
    if (outcome.kind === "refused") {
      this.#record(running, outcome.isNotExecuted ? "not_executed" : "refused", nowMs);
      if (this.#refusal !== undefined) discard(this.#refusal);
      this.#refusal = outcome.response;
    } else {
      this.#record(running, outcome.kind, nowMs);
    }
  }

  /** Whether there is another attempt now. */
  async #retried(outcome: Outcome): Promise<boolean> {
    const { pool, retries } = this.#context;
    const isUndone = outcome.kind === "disbelieved" || (outcome.kind === "refused" && outcome.isNotExecuted);
    if (this.#request.repetition === "never" && !isUndone) return false;
    // Of those that refuse as well none does better; behind one address another pod may.
    const mayDoBetter =
      outcome.kind !== "refused" || pool.hasWell(this.#tried) || (isUndone && pool.size === 1);
    if (!mayDoBetter) return this.#deny("origins");
    const denial = this.#denial();
    if (denial !== undefined) return this.#deny(denial);
    if (this.#tried.length >= pool.size && this.#running.length === 0) await this.#pauseBeforeSame();
    if (this.#start("retry") === undefined) return true;
    retries.giveBack();
    return this.#deny("origins");
  }

  /** Takes a part of the budget, or says why not. */
  #denial(): RetryDenial | undefined {
    const { retries, now } = this.#context;
    const nowMs = now();
    if (this.#made >= MAX_ATTEMPTS) return "attempts";
    if (this.#request.deadlineAtMs - nowMs <= (this.#latencies.medianMs ?? 0)) return "deadline";
    return retries.take(nowMs) ? undefined : "budget";
  }

  #deny(reason: RetryDenial): false {
    this.#context.observe({ type: "retry_denied", route: this.#request.route, reason });
    return false;
  }

  #pauseBeforeSame(): Promise<void> {
    const { now, random } = this.#context;
    const leftMs = Math.max(0, this.#request.deadlineAtMs - now());
    const longestMs = Math.min(FIRST_PAUSE_MS * PAUSE_FACTOR ** (this.#made - 1), leftMs * PAUSE_SHARE);
    return pause(longestMs * (0.5 + random() / 2));
  }

  #record({ attempt, number, cause, startedMs }: Running, outcome: AttemptRecord["outcome"], nowMs: number) {
    const record = { number, cause, origin: attempt.origin, outcome, durationMs: nowMs - startedMs };
    this.#request.trail?.push(record);
    this.#context.observe({ type: "attempt", route: this.#request.route, attempt: record });
  }
}

/** Whether it was time that ran out; else the client has gone. */
const isTimeout = ({ reason }: AbortSignal): boolean =>
  reason instanceof DOMException && reason.name === "TimeoutError";

const unreachable = ({ retryAtMs }: PoolRejection, nowMs: number): Unreachable =>
  retryAtMs === undefined
    ? { kind: "unreachable" }
    : { kind: "unreachable", retryAfterS: Math.max(1, Math.ceil((retryAtMs - nowMs) / 1_000)) };
