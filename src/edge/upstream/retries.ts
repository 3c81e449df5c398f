/** One request on its way to the origins: the attempts in flight, and what follows from how they end. */

import type { Span } from "@opentelemetry/api";
import { sleep } from "../../lib/async.ts";
import type { Balancer, BalancerRejection } from "../../resilience/balancer/balancer.ts";
import type { EndpointPermit } from "../../resilience/balancer/endpoint.ts";
import {
  type LatencyHistogram,
  type PendingRequest,
  type Plan,
  planHedge,
  planRetry,
  type RetryBudget,
} from "../../resilience/retries.ts";
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

/** What all requests of an isolate share: plain data, no promise. */
export interface RetryContext {
  readonly origins: readonly OriginAddress[];
  readonly pool: Balancer;
  readonly retries: RetryBudget;
  /** Undefined if hedging is off. */
  readonly hedges: RetryBudget | undefined;
  readonly sendAttempt: SendAttempt;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  readonly observe: (event: AttemptEvent) => void;
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

interface EndedAttempt {
  readonly attempt: RunningAttempt;
  readonly outcome: Outcome;
}

/** Hedges included. */
const MAX_ATTEMPTS = 3;
/** Pause before the same origin is asked again; three times as long before the next time. */
const FIRST_PAUSE_MS = 50;
const PAUSE_FACTOR = 3;
/** A pause takes at most this share of the time that is left. */
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
  /** What to do if the running attempts take longer; undefined to wait. */
  #plan: Plan | undefined;
  /** The origin's own error response, used if no other attempt does better. */
  #failure: Response | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Ends the response that is being streamed to the client. */
  #streaming: AbortController | undefined;

  constructor(context: RetryContext, request: OriginRequest, latencies: LatencyHistogram) {
    this.#context = context;
    this.#request = request;
    this.#latencies = latencies;
  }

  async run(): Promise<OriginResponse> {
    const { signal } = this.#request;
    if (signal === undefined) return await this.#untilAnswered();
    const aborted = Promise.withResolvers<typeof DEADLINE>();
    const abort = (): void => aborted.resolve(DEADLINE);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await this.#untilAnswered(aborted.promise);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  async #untilAnswered(aborted?: Promise<typeof DEADLINE>): Promise<OriginResponse> {
    const rejection = this.#start("first");
    if (rejection !== undefined) return unreachable(rejection, this.#context.now());
    this.#plan = planHedge(this.#waiting(), this.#context.hedges !== undefined, this.#context.now());
    for (;;) {
      const event = await this.#nextEvent(aborted);
      if (event === DEADLINE) return this.#timeOut(this.#context.now());
      const response = event === LATE ? this.#followPlan() : await this.#end(event);
      if (response !== undefined) return response;
    }
  }

  /** @returns the rejection if no attempt could be started */
  #start(cause: AttemptCause, except: readonly number[] = this.#tried): BalancerRejection | undefined {
    const { pool, now } = this.#context;
    const nowMs = now();
    const isFirst = cause === "first";
    const asking = {
      isRepeatable: this.#request.retryMode !== "never",
      mayProbe: isFirst,
      leaseMs: Math.max(0, this.#request.deadlineAtMs - nowMs),
    };
    let permit = pool.acquire({ ...asking, except });
    // One address may stand for many pods: a new connection reaches another one.
    if (!(isFirst || permit.granted)) permit = pool.acquire(asking);
    if (!permit.granted) return permit;
    this.#send(permit, isFirst && permit.isProbe ? "probe" : cause, nowMs);
    return undefined;
  }

  #send(permit: EndpointPermit, cause: AttemptCause, startedAtMs: number): void {
    const { sendAttempt, origins } = this.#context;
    const address = origins[permit.origin];
    if (address === undefined) throw new Error("the balancer chose an origin that does not exist");
    this.#attempts += 1;
    if (!this.#tried.includes(permit.origin)) this.#tried.push(permit.origin);
    // One controller per attempt: signals that a fetch listens to burden workerd's garbage collection while they live.
    const controller = new AbortController();
    const number = this.#attempts;
    const span = startAttemptSpan({ number, cause, method: this.#request.method, address });
    const { signal } = controller;
    const sending = sendAttempt(this.#request, {
      address,
      number,
      signal,
      spanId: span?.spanContext().spanId,
    });
    const attempt: RunningAttempt = {
      permit,
      number,
      cause,
      startedAtMs,
      controller,
      span,
      ended: sending.then((outcome) => ({ attempt, outcome })),
    };
    this.#running = [...this.#running, attempt];
  }

  /** The first attempt that ends, or a timer: the plan's, or the deadline. */
  #nextEvent(aborted: Promise<typeof DEADLINE> | undefined): Promise<EndedAttempt | TimerEvent> {
    const { deadlineAtMs } = this.#request;
    const lateAtMs = this.#plan?.atMs ?? Number.POSITIVE_INFINITY;
    const event = lateAtMs < deadlineAtMs ? LATE : DEADLINE;
    const leftMs = Math.max(0, Math.min(lateAtMs, deadlineAtMs) - this.#context.now());
    const timer = Promise.withResolvers<TimerEvent>();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onTimer(event, timer.resolve), leftMs);
    const ends = this.#running.map(({ ended }) => ended);
    return Promise.race(aborted === undefined ? [timer.promise, ...ends] : [aborted, timer.promise, ...ends]);
  }

  #onTimer(event: TimerEvent, resolve: (event: TimerEvent) => void): void {
    const streaming = this.#streaming;
    if (streaming === undefined) resolve(event);
    else if (event === DEADLINE) streaming.abort();
    else setTimeout(() => streaming.abort(), Math.max(0, this.#request.deadlineAtMs - this.#context.now()));
  }

  #followPlan(): undefined {
    const next = this.#plan?.next;
    this.#plan = undefined;
    if (next === "hedge") {
      if (this.#attempts < MAX_ATTEMPTS) this.#hedge();
      this.#plan = planRetry(this.#waiting(), this.#context.now());
      return;
    }
    const slow = this.#running;
    if (this.#attempts >= MAX_ATTEMPTS || this.#denial(false) !== undefined) return;
    if (this.#start("retry") !== undefined) this.#context.retries.refund();
    else if (this.#request.retryMode === "retry") this.#abandon(slow, this.#context.now());
  }

  #waiting(): PendingRequest {
    const { retryMode, deadlineAtMs } = this.#request;
    return { retryMode, deadlineAtMs, latencies: this.#latencies };
  }

  #hedge(): void {
    const { hedges, now } = this.#context;
    // Probes do not consume the hedge budget.
    if (this.#running.some(({ cause }) => cause === "probe")) this.#start("hedge");
    else if (hedges?.withdraw(now()) && this.#start("hedge") !== undefined) hedges.refund();
  }

  /** @returns the response; undefined while another attempt may bring one */
  async #end({ attempt, outcome }: EndedAttempt): Promise<OriginResponse | undefined> {
    this.#running = this.#running.filter((each) => each !== attempt);
    const nowMs = this.#context.now();
    this.#record(attempt, settlePermit(attempt.permit, outcome), nowMs, statusOf(outcome));
    if (outcome.kind === "answered") {
      const { response } = outcome;
      if (!isFastServerError(response)) this.#learnLatency(attempt, nowMs - attempt.startedAtMs);
      // An attempt that is still running may do better.
      if (!isServerError(response) || this.#running.length === 0)
        return this.#answer(outcome, attempt, nowMs);
      this.#keepFailure(response);
      return undefined;
    }
    if (outcome.kind === "refused") this.#keepFailure(outcome.response);
    if ((await this.#retry(attempt, outcome)) || this.#running.length > 0) return undefined;
    if (this.#failure !== undefined) return { kind: "answered", response: this.#failure };
    return outcome.kind === "broken" ? { kind: "unreachable" } : { kind: "not_origin" };
  }

  #answer({ response, isRead }: Answered, winner: RunningAttempt, nowMs: number): OriginResponse {
    // The timer also ends a response that is still being streamed at the deadline.
    if (isRead) clearTimeout(this.#timer);
    else this.#streaming = winner.controller;
    this.#abandon(this.#running, nowMs, winner);
    if (this.#failure !== undefined) discard(this.#failure);
    return { kind: "answered", response };
  }

  #keepFailure(response: Response): void {
    if (this.#failure !== undefined) discard(this.#failure);
    this.#failure = response;
  }

  /** Ends attempts that are still running. @param winner the one that was faster */
  #abandon(losers: readonly RunningAttempt[], nowMs: number, winner?: RunningAttempt): void {
    for (const loser of losers) {
      const elapsedMs = nowMs - loser.startedAtMs;
      this.#record(loser, "hedge_lost", nowMs);
      if (loser.cause === "probe" && this.#request.retryMode === "hedge") {
        this.#finishProbe(loser);
        continue;
      }
      // An attempt that started later was not slower.
      if (winner === undefined || loser.number < winner.number) loser.permit.hedgeLost();
      else loser.permit.ignore();
      // It would have taken longer still; leaving it out would lower the quantile with each hedge.
      if (elapsedMs >= (this.#latencies.p95Ms ?? Number.POSITIVE_INFINITY))
        this.#learnLatency(loser, elapsedMs);
      loser.controller.abort();
    }
    this.#running = this.#running.filter((running) => !losers.includes(running));
  }

  /** A probe runs to its end after the client has its response, at most until the request's deadline. */
  #finishProbe(probe: RunningAttempt): void {
    const leftMs = Math.max(0, this.#request.deadlineAtMs - this.#context.now());
    const timer = setTimeout(() => probe.controller.abort(), leftMs);
    this.#request.waitUntil(
      probe.ended.then(({ outcome }) => {
        clearTimeout(timer);
        settlePermit(probe.permit, outcome, this.#timeOf(probe));
        if (outcome.kind === "answered" || outcome.kind === "refused") discard(outcome.response);
      }),
    );
  }

  /** Probes go to origins that others avoid, so their latency is not the route's. */
  #learnLatency({ cause }: RunningAttempt, latencyMs: number): void {
    if (cause !== "probe") this.#latencies.add(latencyMs);
  }

  /** How much time the attempt had when it started, milliseconds. */
  #timeOf({ startedAtMs }: RunningAttempt): number {
    return this.#request.deadlineAtMs - startedAtMs;
  }

  #timeOut(nowMs: number): OriginResponse {
    for (const attempt of this.#running) {
      const hadMs = isClientGone(this.#request.signal) ? undefined : this.#timeOf(attempt);
      this.#record(attempt, settlePermit(attempt.permit, { kind: "aborted" }, hadMs), nowMs);
      attempt.controller.abort();
    }
    this.#running = [];
    return this.#failure === undefined
      ? { kind: "timed_out" }
      : { kind: "answered", response: this.#failure };
  }

  /** @returns whether another attempt was started */
  async #retry(failed: RunningAttempt, outcome: Outcome): Promise<boolean> {
    const { pool, retries } = this.#context;
    const isUndone =
      outcome.kind === "signature_rejected" || (outcome.kind === "refused" && outcome.isNotExecuted);
    if (this.#request.retryMode === "never" && !isUndone) return false;
    const hasHealthy = pool.hasHealthy(this.#tried);
    if (outcome.kind === "refused" && !hasHealthy && !isUndone) return this.#deny("origins");
    // What was shed now may be served in a moment, or by another pod behind the same address.
    const isSameOrigin = outcome.kind === "refused" ? !hasHealthy : !pool.hasOther(this.#tried);
    // Probes do not consume the retry budget.
    const isFree = failed.cause === "probe" && hasHealthy;
    const denial = this.#attempts >= MAX_ATTEMPTS ? "attempts" : this.#denial(isFree);
    if (denial !== undefined) return this.#deny(denial);
    if (isSameOrigin && this.#running.length === 0) await this.#pauseBeforeSameOrigin();
    const except =
      isSameOrigin && outcome.kind === "refused" ? this.#allBut(failed.permit.origin) : this.#tried;
    if (this.#start("retry", except) === undefined) return true;
    if (!isFree) retries.refund();
    return this.#deny("origins");
  }

  /** Takes from the budget, unless the retry is free, or says why not. */
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

  #pauseBeforeSameOrigin(): Promise<void> {
    const { now, random } = this.#context;
    const leftMs = Math.max(0, this.#request.deadlineAtMs - now());
    const longestMs = Math.min(FIRST_PAUSE_MS * PAUSE_FACTOR ** (this.#attempts - 1), leftMs * PAUSE_SHARE);
    return sleep(longestMs * (0.5 + random() / 2));
  }

  #record(
    { permit, number, cause, startedAtMs, span }: RunningAttempt,
    outcome: AttemptRecord["outcome"],
    nowMs: number,
    status?: number | undefined,
  ): void {
    const attempt = { number, cause, origin: permit.origin, outcome, durationMs: nowMs - startedAtMs };
    const { route, method, attempts } = this.#request;
    attempts?.push(attempt);
    this.#context.observe({ type: "attempt", route, method, status, attempt });
    if (span !== undefined) endAttemptSpan(span, outcome, status);
  }
}

const statusOf = (outcome: Outcome): number | undefined =>
  outcome.kind === "answered" || outcome.kind === "refused" ? outcome.response.status : undefined;

/** Whether the client went away; otherwise the time ran out. */
const isClientGone = (signal: AbortSignal | undefined): boolean =>
  signal?.aborted === true &&
  !(signal.reason instanceof DOMException && signal.reason.name === "TimeoutError");

const unreachable = ({ retryAtMs }: BalancerRejection, nowMs: number): OriginResponse =>
  retryAtMs === undefined
    ? { kind: "unreachable" }
    : { kind: "unreachable", retryAfterS: Math.max(1, Math.ceil((retryAtMs - nowMs) / 1_000)) };
