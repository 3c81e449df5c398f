/** One request on its way to the origins: the attempts that are under way, and what follows from how they end. */

import type { Balancer, BalancerRejection } from "../resilience/balancer/balancer.ts";
import type { EndpointPermit } from "../resilience/balancer/endpoint.ts";
import type { LatencyHistogram } from "../resilience/hedging.ts";
import { type PendingRequest, type Plan, planHedge, planRetry } from "../resilience/hedging.ts";
import type { RetryBudget } from "../resilience/retry-budget.ts";
import type { AttemptCause, AttemptEvent, AttemptRecord, RetryDenial } from "./attempt-events.ts";
import type { OriginAddress } from "./configuration.ts";
import type { OriginAnswer, OriginRequest, Unreachable } from "./origin-request.ts";
import { pause } from "./pause.ts";
import {
  type EndedAttempt,
  isFailure,
  isFastFailure,
  type RunningAttempt,
  tellPool,
} from "./running-attempt.ts";
import { discard, type Outcome, type SendAttempt } from "./send-attempt.ts";

/** What all deliveries of an isolate share: plain data, no promise. */
export interface DeliveryContext {
  readonly origins: readonly OriginAddress[];
  readonly pool: Balancer;
  readonly retries: RetryBudget;
  /** Undefined where nothing is sent to two at once. */
  readonly hedges: RetryBudget | undefined;
  readonly sendAttempt: SendAttempt;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  readonly observe: (event: AttemptEvent) => void;
}

/** A request is sent so often at most, hedges included. */
const MAX_ATTEMPTS = 3;
/** The same origin is given a moment before it is asked again; three times as long before the next time. */
const FIRST_PAUSE_MS = 50;
const PAUSE_FACTOR = 3;
/** Of the time that is left a pause takes so much at most. */
const PAUSE_SHARE = 0.1;

const LATE = "late";
const OVER = "over";

export class Delivery {
  readonly #context: DeliveryContext;
  readonly #request: OriginRequest;
  readonly #latencies: LatencyHistogram;
  readonly #tried: number[] = [];
  #running: readonly RunningAttempt[] = [];
  #made = 0;
  /** Undefined where there is nothing to do but wait. */
  #plan: Plan | undefined;
  /** Our origin's own words, for whom no other one does better. */
  #failure: Response | undefined;
  /** Ends the answer that is being passed on. */
  #passedOn: AbortController | undefined;

  constructor(context: DeliveryContext, request: OriginRequest, latencies: LatencyHistogram) {
    this.#context = context;
    this.#request = request;
    this.#latencies = latencies;
  }

  async run(): Promise<OriginAnswer> {
    const { deadline } = this.#request;
    if (deadline === undefined) return await this.#untilAnswered();
    const over = Promise.withResolvers<typeof OVER>();
    const end = (): void => over.resolve(OVER);
    if (deadline.aborted) end();
    deadline.addEventListener("abort", end, { once: true });
    try {
      return await this.#untilAnswered(over.promise);
    } finally {
      deadline.removeEventListener("abort", end);
    }
  }

  async #untilAnswered(over?: Promise<typeof OVER>): Promise<OriginAnswer> {
    const refused = this.#start("first");
    if (refused !== undefined) return unreachable(refused, this.#context.now());
    this.#plan = planHedge(this.#waiting(), this.#context.hedges !== undefined, this.#context.now());
    for (;;) {
      const event = await this.#event(over);
      if (event === OVER) return this.#outOfTime(this.#context.now());
      const answer = event === LATE ? this.#late() : await this.#ended(event);
      if (answer !== undefined) return answer;
    }
  }

  /** @returns undefined where it was started */
  #start(cause: AttemptCause, except: readonly number[] = this.#tried): BalancerRejection | undefined {
    const { pool, now } = this.#context;
    const nowMs = now();
    const isRepeatable = this.#request.repetition !== "never";
    const leaseMs = Math.max(0, this.#request.deadlineAtMs - nowMs);
    const isFirst = cause === "first";
    const asking = { isRepeatable, mayProbe: isFirst, leaseMs };
    let attempt = pool.acquire({ ...asking, except });
    // Behind one address there may be many pods: a new connection reaches another one.
    if (!(isFirst || attempt.granted)) attempt = pool.acquire(asking);
    if (!attempt.granted) return attempt;
    this.#send(attempt, isFirst && attempt.isProbe ? "look" : cause, nowMs);
    return undefined;
  }

  #send(attempt: EndpointPermit, cause: AttemptCause, startedMs: number): void {
    const { sendAttempt, origins } = this.#context;
    const address = origins[attempt.origin];
    if (address === undefined) throw new Error("the pool knows an origin that there is not");
    this.#made += 1;
    if (!this.#tried.includes(attempt.origin)) this.#tried.push(attempt.origin);
    // Not the deadline's own signal: what workerd holds for each that a fetch listens to stops all requests for a tenth
    // of a second every few seconds, when it is collected.
    const controller = new AbortController();
    const number = this.#made;
    const { method, trace: requestTrace } = this.#request;
    const trace = requestTrace?.beginAttempt({ number, cause, method, address, startedMs });
    const sending = sendAttempt(this.#request, { address, number, controller, spanId: trace?.spanId });
    const running: RunningAttempt = {
      attempt,
      number,
      cause,
      startedMs,
      controller,
      trace,
      ended: sending.then((outcome) => ({ running, outcome })),
    };
    this.#running = [...this.#running, running];
  }

  /** The first attempt that ends, or that it takes too long, or that there is no more time. */
  #event(over: Promise<typeof OVER> | undefined): Promise<EndedAttempt | typeof LATE | typeof OVER> {
    const { deadlineAtMs } = this.#request;
    const lateAtMs = this.#plan?.atMs ?? Number.POSITIVE_INFINITY;
    const isLate = lateAtMs < deadlineAtMs;
    const leftMs = Math.max(0, Math.min(lateAtMs, deadlineAtMs) - this.#context.now());
    const { promise: timed, resolve } = Promise.withResolvers<typeof LATE | typeof OVER>();
    // Never cleared: that costs as much as setting it, and the platform takes it away with the request.
    setTimeout(() => this.#ring(isLate ? LATE : OVER, resolve), leftMs);
    const ends = this.#running.map(({ ended }) => ended);
    return Promise.race(over === undefined ? [timed, ...ends] : [over, timed, ...ends]);
  }

  /** A time has come. Where the answer is on its way already, all that is left to do is to end it at the deadline. */
  #ring(what: typeof LATE | typeof OVER, tell: (what: typeof LATE | typeof OVER) => void): void {
    const passedOn = this.#passedOn;
    if (passedOn === undefined) tell(what);
    else if (what === OVER) passedOn.abort();
    else setTimeout(() => passedOn.abort(), Math.max(0, this.#request.deadlineAtMs - this.#context.now()));
  }

  #late(): undefined {
    const next = this.#plan?.next;
    this.#plan = undefined;
    if (next === "hedge") {
      if (this.#made < MAX_ATTEMPTS) this.#hedge();
      this.#plan = planRetry(this.#waiting(), this.#context.now());
      return;
    }
    const before = this.#running;
    if (this.#made >= MAX_ATTEMPTS || this.#denial(false) !== undefined) return;
    if (this.#start("retry") !== undefined) this.#context.retries.refund();
    else if (this.#request.repetition === "retry") this.#leave(before, this.#context.now());
  }

  #waiting(): PendingRequest {
    const { repetition, deadlineAtMs } = this.#request;
    return { retryMode: repetition, deadlineAtMs, latencies: this.#latencies };
  }

  #hedge(): void {
    const { hedges, now } = this.#context;
    // Who is sent to find something out is not to pay for it.
    const isProbe = this.#running.some(({ cause }) => cause === "look");
    if (isProbe) this.#start("hedge");
    else if (hedges?.withdraw(now()) && this.#start("hedge") !== undefined) hedges.refund();
  }

  /** @returns the request's answer; undefined while there may be another one */
  async #ended({ running, outcome }: EndedAttempt): Promise<OriginAnswer | undefined> {
    this.#running = this.#running.filter((each) => each !== running);
    const nowMs = this.#context.now();
    this.#record(running, tellPool(running, outcome), nowMs, statusOf(outcome));
    if (outcome.kind === "answered") {
      const { response } = outcome;
      this.#learn(running, nowMs - running.startedMs, response);
      // Another one may do better that is under way already.
      if (!isFailure(response) || this.#running.length === 0) return this.#answer(response, running, nowMs);
      this.#hold(response);
      return undefined;
    }
    if (outcome.kind === "refused") this.#hold(outcome.response);
    if ((await this.#retried(running, outcome)) || this.#running.length > 0) return undefined;
    if (this.#failure !== undefined) return { kind: "answered", response: this.#failure };
    return outcome.kind === "broken" ? { kind: "unreachable" } : { kind: "foreign" };
  }

  #answer(response: Response, winner: RunningAttempt, nowMs: number): OriginAnswer {
    this.#passedOn = winner.controller;
    this.#leave(this.#running, nowMs, winner);
    if (this.#failure !== undefined) discard(this.#failure);
    return { kind: "answered", response };
  }

  #hold(response: Response): void {
    if (this.#failure !== undefined) discard(this.#failure);
    this.#failure = response;
  }

  /** Ends what is still under way. @param winner which other one was faster */
  #leave(losers: readonly RunningAttempt[], nowMs: number, winner?: RunningAttempt): void {
    for (const loser of losers) {
      const elapsedMs = nowMs - loser.startedMs;
      this.#record(loser, "outrun", nowMs);
      if (loser.cause === "look" && this.#request.repetition === "hedge") {
        this.#watch(loser);
        continue;
      }
      // Who has begun later has not been slower.
      if (winner === undefined || loser.number < winner.number) loser.attempt.hedgeLost();
      else loser.attempt.ignore();
      // It would have taken longer still: were it left out, the quantile would come down with each hedge.
      if (elapsedMs >= (this.#latencies.p95Ms ?? Number.POSITIVE_INFINITY)) this.#learn(loser, elapsedMs);
      loser.controller.abort();
    }
    this.#running = this.#running.filter((running) => !losers.includes(running));
  }

  /** What a look was made for is found out, though its client has been answered: until its time is over. */
  #watch(look: RunningAttempt): void {
    const leftMs = Math.max(0, this.#request.deadlineAtMs - this.#context.now());
    const timer = setTimeout(() => look.controller.abort(), leftMs);
    this.#request.inBackground(
      look.ended.then(({ outcome }) => {
        clearTimeout(timer);
        tellPool(look, outcome, this.#timeOf(look));
        if (outcome.kind === "answered" || outcome.kind === "refused") discard(outcome.response);
      }),
    );
  }

  /** Looks go where others would not: what they find is not how long the route takes. Nor is a failure's time. */
  #learn({ cause }: RunningAttempt, latencyMs: number, response?: Response): void {
    const isFast = response !== undefined && isFastFailure(response);
    if (cause !== "look" && !isFast) this.#latencies.add(latencyMs);
  }

  /** How much it had at its beginning, milliseconds. */
  #timeOf({ startedMs }: RunningAttempt): number {
    return this.#request.deadlineAtMs - startedMs;
  }

  #outOfTime(nowMs: number): OriginAnswer {
    for (const running of this.#running) {
      const hadMs = hasGone(this.#request.deadline) ? undefined : this.#timeOf(running);
      this.#record(running, tellPool(running, { kind: "aborted" }, hadMs), nowMs);
      running.controller.abort();
    }
    this.#running = [];
    return this.#failure === undefined
      ? { kind: "timed_out" }
      : { kind: "answered", response: this.#failure };
  }

  /** Whether there is another attempt now. */
  async #retried(running: RunningAttempt, outcome: Outcome): Promise<boolean> {
    const { pool, retries } = this.#context;
    const isUndone = outcome.kind === "disbelieved" || (outcome.kind === "refused" && outcome.isNotExecuted);
    if (this.#request.repetition === "never" && !isUndone) return false;
    const hasWell = pool.hasHealthy(this.#tried);
    // Of those that are not well none does better.
    if (outcome.kind === "refused" && !hasWell && !isUndone) return this.#deny("origins");
    // What was not begun for now may be begun in a moment, or by another pod: the others are not even there.
    const isSame = outcome.kind === "refused" ? !hasWell : !pool.hasOther(this.#tried);
    // Who was sent to find something out is not to pay for it.
    const isFree = running.cause === "look" && hasWell;
    const denial = this.#made >= MAX_ATTEMPTS ? "attempts" : this.#denial(isFree);
    if (denial !== undefined) return this.#deny(denial);
    if (isSame && this.#running.length === 0) await this.#pauseBeforeSame();
    const except = isSame && outcome.kind === "refused" ? this.#allBut(running.attempt.origin) : this.#tried;
    if (this.#start("retry", except) === undefined) return true;
    if (!isFree) retries.refund();
    return this.#deny("origins");
  }

  /** Takes a part of the budget, unless it is free, or says why not. */
  #denial(isFree: boolean): RetryDenial | undefined {
    const { retries, now } = this.#context;
    const nowMs = now();
    if (this.#request.deadlineAtMs - nowMs <= (this.#latencies.medianMs ?? 0)) return "deadline";
    return isFree || retries.withdraw(nowMs) ? undefined : "budget";
  }

  #deny(reason: RetryDenial): false {
    this.#context.observe({ type: "retry_denied", route: this.#request.route, reason });
    return false;
  }

  #allBut(origin: number): number[] {
    return [...this.#context.origins.keys()].filter((each) => each !== origin);
  }

  #pauseBeforeSame(): Promise<void> {
    const { now, random } = this.#context;
    const leftMs = Math.max(0, this.#request.deadlineAtMs - now());
    const longestMs = Math.min(FIRST_PAUSE_MS * PAUSE_FACTOR ** (this.#made - 1), leftMs * PAUSE_SHARE);
    return pause(longestMs * (0.5 + random() / 2));
  }

  #record(
    running: RunningAttempt,
    outcome: AttemptRecord["outcome"],
    nowMs: number,
    status?: number | undefined,
  ): void {
    const { attempt, number, cause, startedMs, trace } = running;
    const record = { number, cause, origin: attempt.origin, outcome, durationMs: nowMs - startedMs };
    const { route, method, trail } = this.#request;
    trail?.push(record);
    this.#context.observe({ type: "attempt", route, method, status, attempt: record });
    trace?.end(outcome, status, nowMs);
  }
}

/** What was answered, where it was heard. */
const statusOf = (outcome: Outcome): number | undefined =>
  outcome.kind === "answered" || outcome.kind === "refused" ? outcome.response.status : undefined;

/** Whether the client has gone; else it was time that ran out. */
const hasGone = (deadline: AbortSignal | undefined): boolean =>
  deadline?.aborted === true &&
  !(deadline.reason instanceof DOMException && deadline.reason.name === "TimeoutError");

const unreachable = ({ retryAtMs }: BalancerRejection, nowMs: number): Unreachable =>
  retryAtMs === undefined
    ? { kind: "unreachable" }
    : { kind: "unreachable", retryAfterS: Math.max(1, Math.ceil((retryAtMs - nowMs) / 1_000)) };
