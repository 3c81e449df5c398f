/** One request to the origins: the attempts in flight, and the decision after each of their ends. */
import type { Span } from "@opentelemetry/api";
import { sleep } from "../../lib/async.ts";
import type { Balancer, BalancerRejection } from "../../resilience/balancer/balancer.ts";
import type { EndpointPermit } from "../../resilience/balancer/endpoint.ts";
import {
  isSafe,
  type LatencyHistogram,
  type PendingRequest,
  type Plan,
  planHedge,
  planRetry,
  type RetryBudget,
} from "../../resilience/retries.ts";
import type { EdgeDeps } from "../app.ts";
import type { OriginAddress } from "../config.ts";
import { endAttemptSpan, startAttemptSpan } from "../telemetry/attempt-span.ts";
import {
  type Answered,
  type AttemptCause,
  type AttemptRecord,
  discard,
  isFastServerError,
  isServerError,
  type Outcome,
  type SendAttempt,
  settlePermit,
} from "./attempt.ts";
import type { AttemptEvent, OriginRequest, OriginResponse, RetryDenial } from "./client.ts";

/** State that all requests of an isolate share: plain data, no promise. */
export interface RetryContext extends Pick<EdgeDeps, "now" | "random"> {
  readonly origins: readonly OriginAddress[];
  readonly pool: Balancer;
  readonly retries: RetryBudget;
  /** Undefined if hedging is off. */
  readonly hedges: RetryBudget | undefined;
  readonly sendAttempt: SendAttempt;
  readonly observe: (event: AttemptEvent) => void;
  /** Counts and answers a request that no origin gets. */
  readonly reject: (rejection: BalancerRejection) => OriginResponse;
}

interface RunningAttempt {
  readonly permit: EndpointPermit;
  /** From 1. */
  readonly number: number;
  readonly cause: AttemptCause;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
  readonly controller: AbortController;
  /** Undefined if the request is not sampled. */
  readonly span: Span | undefined;
  readonly ended: Promise<EndedAttempt>;
}

type EndedAttempt = readonly [attempt: RunningAttempt, outcome: Outcome];

/** Hedges included. */
const MAX_ATTEMPTS = 3;
/** Pause before a retry at the same origin; three times as long before the next. */
const FIRST_PAUSE_MS = 50;
const PAUSE_FACTOR = 3;
/** Maximum share of the remaining time that a pause takes. */
const PAUSE_SHARE = 0.1;

const LATE = "late";
const DEADLINE = "deadline";
type TimerEvent = typeof LATE | typeof DEADLINE;

export class RetryingRequest {
  readonly #context: RetryContext;
  readonly #request: OriginRequest;
  readonly #latencies: LatencyHistogram;
  readonly #tried: number[] = [];
  #running: readonly RunningAttempt[] = [];
  #attempts = 0;
  /** The next step if the running attempts take longer; undefined to wait. */
  #plan: Plan | undefined;
  /** The origin's own error response, used if no other attempt does better. */
  #failure: Response | undefined;
  /** An attempt at a write ended without a response: the write may have been done. */
  #isUnknown = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Ends the response that is being streamed to the client. */
  #streaming: AbortController | undefined;

  constructor(context: RetryContext, request: OriginRequest, latencies: LatencyHistogram) {
    this.#context = context;
    this.#request = request;
    this.#latencies = latencies;
  }

  async run(): Promise<OriginResponse> {
    const rejection = this.#start("first");
    if (rejection !== undefined) return this.#context.reject(rejection);
    this.#plan = planHedge(this.#pending, this.#context.hedges !== undefined, this.#nowMs);
    for (;;) {
      const event = await this.#nextEvent();
      if (event === DEADLINE) return this.#timeOut();
      const response = event === LATE ? this.#followPlan() : await this.#end(...event);
      if (response !== undefined) return response;
    }
  }

  get #nowMs(): number {
    return this.#context.now();
  }

  /** Time until the deadline, milliseconds. */
  get #leftMs(): number {
    return Math.max(0, this.#request.deadlineAtMs - this.#nowMs);
  }

  get #pending(): PendingRequest {
    const { retryMode, deadlineAtMs } = this.#request;
    return { retryMode, deadlineAtMs, latencies: this.#latencies };
  }

  /** @returns the rejection if no attempt could be started */
  #start(cause: AttemptCause, except: readonly number[] = this.#tried): BalancerRejection | undefined {
    const { pool } = this.#context;
    const isFirst = cause === "first";
    const options = {
      isRepeatable: this.#request.retryMode !== "never",
      mayProbe: isFirst,
      leaseMs: this.#leftMs,
      except,
    };
    let permit = pool.acquire(options);
    // One address may stand for many pods: a new connection reaches another one.
    if (!isFirst && !permit.granted) permit = pool.acquire({ ...options, except: [] });
    if (!permit.granted) return permit;
    this.#send(permit, isFirst && permit.isProbe ? "probe" : cause);
    return undefined;
  }

  #send(permit: EndpointPermit, cause: AttemptCause): void {
    const { sendAttempt, origins } = this.#context;
    const address = origins[permit.origin];
    if (address === undefined) throw new Error("the balancer chose an origin that does not exist");
    this.#attempts += 1;
    if (!this.#tried.includes(permit.origin)) this.#tried.push(permit.origin);
    // One controller per attempt: in workerd a signal that a fetch listens to burdens garbage collection
    // while it lives.
    const controller = new AbortController();
    const number = this.#attempts;
    const span = startAttemptSpan({ number, cause, method: this.#request.method, address });
    const sending = sendAttempt(this.#request, {
      address,
      number,
      signal: controller.signal,
      spanId: span?.spanContext().spanId,
    });
    const attempt: RunningAttempt = {
      permit,
      number,
      cause,
      startedAtMs: this.#nowMs,
      controller,
      span,
      ended: sending.then((outcome) => [attempt, outcome]),
    };
    this.#running = [...this.#running, attempt];
  }

  /** The first attempt that ends, or a timer: the plan's, or the deadline. */
  #nextEvent(): Promise<EndedAttempt | TimerEvent> {
    const { deadlineAtMs } = this.#request;
    const lateAtMs = this.#plan?.atMs ?? Number.POSITIVE_INFINITY;
    const event = lateAtMs < deadlineAtMs ? LATE : DEADLINE;
    const leftMs = Math.max(0, Math.min(lateAtMs, deadlineAtMs) - this.#nowMs);
    clearTimeout(this.#timer);
    return new Promise((resolve, reject) => {
      this.#timer = setTimeout(() => this.#onTimer(event, resolve), leftMs);
      for (const { ended } of this.#running) ended.then(resolve, reject);
    });
  }

  #onTimer(event: TimerEvent, resolve: (event: TimerEvent) => void): void {
    const streaming = this.#streaming;
    if (streaming === undefined) resolve(event);
    else if (event === DEADLINE) streaming.abort();
    else setTimeout(() => streaming.abort(), this.#leftMs);
  }

  #followPlan(): undefined {
    const next = this.#plan?.next;
    this.#plan = undefined;
    if (next === "hedge") {
      if (this.#attempts < MAX_ATTEMPTS) this.#hedge();
      this.#plan = planRetry(this.#pending, this.#nowMs);
      return;
    }
    const slow = this.#running;
    if (this.#attempts >= MAX_ATTEMPTS || this.#denial(false) !== undefined) return;
    if (this.#start("retry") !== undefined) this.#context.retries.refund();
    else if (this.#request.retryMode === "retry") {
      this.#isUnknown = true;
      this.#abandon(slow);
    }
  }

  #hedge(): void {
    const { hedges } = this.#context;
    // Probes do not consume the hedge budget.
    if (this.#running.some(({ cause }) => cause === "probe")) this.#start("hedge");
    else if (hedges?.withdraw(this.#nowMs) && this.#start("hedge") !== undefined) hedges.refund();
  }

  /** @returns the response; undefined while another attempt may bring one */
  async #end(attempt: RunningAttempt, outcome: Outcome): Promise<OriginResponse | undefined> {
    this.#running = this.#running.filter((each) => each !== attempt);
    this.#record(attempt, settlePermit(attempt.permit, outcome), statusOf(outcome));
    if (outcome.kind === "answered") {
      const { response } = outcome;
      if (!isFastServerError(response)) this.#learnLatency(attempt);
      // An attempt that is still running may do better.
      if (!isServerError(response) || this.#running.length === 0) return this.#answer(outcome, attempt);
      this.#keepFailure(response);
      return undefined;
    }
    if (outcome.kind === "refused") this.#keepFailure(outcome.response);
    if (outcome.kind === "broken" && !isSafe(this.#request.method)) this.#isUnknown = true;
    if ((await this.#retry(attempt, outcome)) || this.#running.length > 0) return undefined;
    // An earlier 503 would say that nothing was written.
    if (this.#isUnknown) return { kind: "unknown" };
    if (this.#failure !== undefined) return { kind: "answered", response: this.#failure };
    return outcome.kind === "broken" ? { kind: "unreachable" } : { kind: "not_origin" };
  }

  #answer({ response, isRead }: Answered, winner: RunningAttempt): OriginResponse {
    // The timer also ends a response that is still being streamed at the deadline.
    if (isRead) clearTimeout(this.#timer);
    else this.#streaming = winner.controller;
    this.#abandon(this.#running, winner);
    if (this.#failure !== undefined) discard(this.#failure);
    return { kind: "answered", response };
  }

  #keepFailure(response: Response): void {
    if (this.#failure !== undefined) discard(this.#failure);
    this.#failure = response;
  }

  /** Ends attempts that are still running. @param winner the faster attempt */
  #abandon(losers: readonly RunningAttempt[], winner?: RunningAttempt): void {
    if (losers.length === 0) return;
    const { p95Ms = Number.POSITIVE_INFINITY } = this.#latencies;
    for (const loser of losers) {
      if (loser.cause === "probe" && this.#request.retryMode === "hedge") {
        this.#report(loser, "hedge_lost");
        this.#finishProbe(loser);
        continue;
      }
      this.#record(loser, "hedge_lost");
      // An attempt that started later was not slower.
      if (winner === undefined || loser.number < winner.number) loser.permit.hedgeLost();
      else loser.permit.ignore();
      // It would have taken even longer. Without it each hedge would lower the quantile.
      if (this.#nowMs - loser.startedAtMs >= p95Ms) this.#learnLatency(loser);
      loser.controller.abort();
    }
    this.#running = this.#running.filter((running) => !losers.includes(running));
  }

  /** A probe runs to its end after the client has its response, at most until the request's deadline. */
  #finishProbe(probe: RunningAttempt): void {
    const timer = setTimeout(() => probe.controller.abort(), this.#leftMs);
    this.#request.waitUntil(
      probe.ended.then(([, outcome]) => {
        clearTimeout(timer);
        this.#count(probe, settlePermit(probe.permit, outcome, this.#timeOf(probe)), statusOf(outcome));
        if (outcome.kind === "answered" || outcome.kind === "refused") discard(outcome.response);
      }),
    );
  }

  /** Probes go to origins that others avoid, so their latency is not the route's. */
  #learnLatency({ cause, startedAtMs }: RunningAttempt): void {
    if (cause !== "probe") this.#latencies.add(this.#nowMs - startedAtMs);
  }

  /** Time that the attempt had when it started, milliseconds. */
  #timeOf({ startedAtMs }: RunningAttempt): number {
    return this.#request.deadlineAtMs - startedAtMs;
  }

  #timeOut(): OriginResponse {
    for (const attempt of this.#running) {
      this.#record(attempt, settlePermit(attempt.permit, { kind: "aborted" }, this.#timeOf(attempt)));
      attempt.controller.abort();
    }
    this.#running = [];
    // The attempt at a write that is abandoned here may be done after an earlier one was refused.
    return this.#failure === undefined || !isSafe(this.#request.method)
      ? { kind: "timed_out" }
      : { kind: "answered", response: this.#failure };
  }

  /** @returns whether another attempt was started */
  async #retry(failed: RunningAttempt, outcome: Outcome): Promise<boolean> {
    const { origins, pool, retries } = this.#context;
    // Other origins would only be filled with the same route, too.
    if (outcome.kind === "refused" && outcome.isRouteBusy) return false;
    const isUndone =
      outcome.kind === "signature_rejected" || (outcome.kind === "refused" && outcome.isNotExecuted);
    if (this.#request.retryMode === "never" && !isUndone) return false;
    const hasHealthy = pool.hasHealthy(this.#tried);
    if (outcome.kind === "refused" && !hasHealthy && !isUndone) return this.#deny("origins");
    // A shed request may be served in a moment, or by another pod behind the same address.
    const isSameOrigin = outcome.kind === "refused" ? !hasHealthy : !pool.hasOther(this.#tried);
    // Probes do not consume the retry budget.
    const isFree = failed.cause === "probe" && hasHealthy;
    const denial = this.#attempts >= MAX_ATTEMPTS ? "attempts" : this.#denial(isFree);
    if (denial !== undefined) return this.#deny(denial);
    if (isSameOrigin && this.#running.length === 0) await this.#pauseBeforeSameOrigin();
    const except =
      isSameOrigin && outcome.kind === "refused"
        ? [...origins.keys()].filter((origin) => origin !== failed.permit.origin)
        : this.#tried;
    if (this.#start("retry", except) === undefined) return true;
    if (!isFree) retries.refund();
    return this.#deny("origins");
  }

  /** Withdraws from the budget unless the retry is free. @returns the reason if no retry is allowed */
  #denial(isFree: boolean): RetryDenial | undefined {
    if (this.#leftMs <= (this.#latencies.medianMs ?? 0)) return "deadline";
    return isFree || this.#context.retries.withdraw(this.#nowMs) ? undefined : "budget";
  }

  #deny(reason: RetryDenial): false {
    this.#context.observe({ type: "retry_denied", reason });
    return false;
  }

  #pauseBeforeSameOrigin(): Promise<void> {
    const pauseMs = FIRST_PAUSE_MS * PAUSE_FACTOR ** (this.#attempts - 1);
    return sleep(Math.min(pauseMs, this.#leftMs * PAUSE_SHARE) * (0.5 + this.#context.random() / 2));
  }

  #record(running: RunningAttempt, outcome: AttemptRecord["outcome"], status?: number): void {
    this.#count(running, outcome, status);
    this.#report(running, outcome, status);
  }

  /** In metrics. */
  #count(running: RunningAttempt, outcome: AttemptRecord["outcome"], status: number | undefined): void {
    const { method } = this.#request;
    this.#context.observe({ type: "attempt", method, status, attempt: this.#recordOf(running, outcome) });
  }

  /** In the request's trace, and where its attempts are collected. */
  #report(running: RunningAttempt, outcome: AttemptRecord["outcome"], status?: number): void {
    this.#request.attempts?.push(this.#recordOf(running, outcome));
    if (running.span !== undefined) endAttemptSpan(running.span, outcome, status);
  }

  #recordOf(
    { permit, number, cause, startedAtMs }: RunningAttempt,
    outcome: AttemptRecord["outcome"],
  ): AttemptRecord {
    return { number, cause, origin: permit.origin, outcome, durationMs: this.#nowMs - startedAtMs };
  }
}

const statusOf = (outcome: Outcome): number | undefined =>
  outcome.kind === "answered" || outcome.kind === "refused" ? outcome.response.status : undefined;
