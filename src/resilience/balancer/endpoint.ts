/** An endpoint of a balancer: its health, latency and load, the resulting share and score, and permits. */
import type { Breaker, BreakerDependencies, Permit } from "../circuit-breaker/circuit-breaker.ts";
import { DECAY_MS, InFlight, PeakEwma } from "./load.ts";

export interface EndpointOptions extends Pick<BreakerDependencies, "now" | "random"> {
  readonly index: number;
  /** Relative to the mean weight of all endpoints. */
  readonly weight: number;
  readonly breaker: Breaker;
  /** Called when a failing endpoint recovers. */
  readonly onHealthy: (endpoint: Endpoint, nowMs: number) => void;
}

/** An endpoint's state at a moment. */
export interface EndpointView {
  /** Expected latency under its load, milliseconds; lower is better. */
  readonly scoreMs: number;
  /** Ratio of its whole share that it gets while it warms up, above 0; then 1. */
  readonly warmth: number;
  readonly isEjected: boolean;
  /** Requests. */
  readonly inFlight: number;
  /** Until its open breaker admits a probe, milliseconds; else 0. */
  readonly probeInMs: number;
}

/** Shorter latencies count as equal. */
const MIN_LATENCY_MS = 5;
/** Latency that a failure counts for. */
const PENALTY_MS = 5_000;
/** Upper bound of a penalty, if the endpoint asks for a longer pause. */
const MAX_PENALTY_MS = 60_000;
/** Time in which a recovered endpoint returns to its whole share, and the fraction at which it starts. */
const WARM_UP_MS = 6_000;
const WARM_UP_FROM = 0.1;
/** The latency of every endpoint is measured at least this often, given repeatable requests. */
export const PROBE_INTERVAL_MS = 10_000;
/** Time from a failure to the first probe; it doubles with each failed probe. */
const FIRST_PROBE_MS = 1_000;
/** Probes are up to this ratio early, at random, so that isolates do not probe together. */
const PROBE_JITTER = 0.25;

export class Endpoint {
  readonly options: EndpointOptions;
  readonly latency = new PeakEwma();
  readonly inFlight = new InFlight();
  isFailing = false;
  failedAtMs = Number.NEGATIVE_INFINITY;
  /** A generation: successes of requests sent before the last failure do not prove recovery. */
  failures = 0;
  /** Broken connections that the breaker has counted. */
  breaks = 0;
  respondedAtMs = Number.NEGATIVE_INFINITY;
  #warmUpSinceMs = Number.NEGATIVE_INFINITY;
  #penaltyMs = 0;
  #failedProbes = 0;
  #probedAtMs = Number.NEGATIVE_INFINITY;
  #nextProbeAtMs: number;

  constructor(options: EndpointOptions) {
    this.options = options;
    this.#nextProbeAtMs = options.now() + this.#jittered(PROBE_INTERVAL_MS);
  }

  /** An ejected endpoint receives probes only. */
  get isEjected(): boolean {
    return this.options.breaker.state !== "closed";
  }

  /** A single refusal is not penalized. */
  get isPenalized(): boolean {
    return this.#penaltyMs > 0;
  }

  /** Time since its probe was due, milliseconds; negative before. */
  overdueMs(nowMs: number): number {
    const leftMs = this.#nextProbeAtMs - nowMs;
    // Further ahead than it was ever set: the clock was set back.
    return leftMs > 2 * PROBE_INTERVAL_MS ? Number.POSITIVE_INFINITY : -leftMs;
  }

  /** Weight of its share in the draw, reduced while it warms up. */
  share(nowMs: number): number {
    const { weight } = this.options;
    const elapsedMs = nowMs - this.#warmUpSinceMs;
    if (elapsedMs < 0 || elapsedMs >= WARM_UP_MS) return weight;
    return weight * (WARM_UP_FROM + ((1 - WARM_UP_FROM) * elapsedMs) / WARM_UP_MS);
  }

  /** Expected latency under its load; lower is better. @param unknownMs latency without samples */
  score(nowMs: number, unknownMs: number): number {
    const latencyMs = Math.max(this.latency.ms ?? unknownMs, MIN_LATENCY_MS, this.#penaltyAt(nowMs));
    // A heavier endpoint carries more requests; a single one makes no difference.
    return latencyMs * Math.max(1, this.inFlight.count(nowMs) / this.options.weight);
  }

  /** For metrics. @param unknownMs latency without samples */
  view(nowMs: number, unknownMs: number): EndpointView {
    return {
      scoreMs: this.score(nowMs, unknownMs),
      warmth: this.share(nowMs) / this.options.weight,
      isEjected: this.isEjected,
      inFlight: this.inFlight.count(nowMs),
      probeInMs: this.options.breaker.probeInMs,
    };
  }

  /** Records the start of a request. @returns the argument for `inFlight.leave` */
  start(isProbe: boolean, nowMs: number): number {
    if (isProbe) {
      this.#probedAtMs = nowMs;
      if (!this.isFailing) this.#nextProbeAtMs = nowMs + PROBE_INTERVAL_MS;
      // For an ejected endpoint the lease of its breaker sets the time.
      else if (!this.isEjected) this.#nextProbeAtMs = nowMs + this.#untilNextProbeMs();
    }
    return this.inFlight.enter(nowMs);
  }

  /** @param failuresBefore `failures` at the start of the request */
  succeeded(failuresBefore: number, startedMs: number, nowMs: number): void {
    if (!this.isFailing) {
      // Only a measured latency puts off the probe: a request that lost a hedge shows nothing.
      this.#nextProbeAtMs = Math.max(this.#nextProbeAtMs, startedMs + PROBE_INTERVAL_MS);
      return;
    }
    if (failuresBefore !== this.failures) return;
    // Without a failed probe the outage was short.
    if (this.#failedProbes > 0) this.warmUp(nowMs);
    this.isFailing = false;
    this.#failedProbes = 0;
    this.#penaltyMs = 0;
    this.#nextProbeAtMs = nowMs + PROBE_INTERVAL_MS;
    this.options.onHealthy(this, nowMs);
  }

  /** @param isPenalized whether this failure alone moves traffic away */
  failed(isProbe: boolean, isPenalized: boolean, nowMs: number, retryAfterMs = 0): void {
    if (isPenalized || isProbe || this.isFailing)
      this.#penaltyMs = Math.max(
        this.#penaltyAt(nowMs),
        this.latency.ms ?? 0,
        PENALTY_MS,
        Math.min(retryAfterMs, MAX_PENALTY_MS),
      );
    if (isProbe) this.#failedProbes += 1;
    this.failures += 1;
    this.failedAtMs = nowMs;
    // Counted from the start of a probe, however long it took to fail.
    const sinceMs = isProbe ? Math.min(this.#probedAtMs, nowMs) : nowMs;
    if (!this.isFailing || isProbe) this.#nextProbeAtMs = Math.max(nowMs, sinceMs + this.#untilNextProbeMs());
    this.isFailing = true;
  }

  probeNow(nowMs: number): void {
    this.#nextProbeAtMs = nowMs - 1;
  }

  warmUp(nowMs: number): void {
    this.#warmUpSinceMs = nowMs;
  }

  #penaltyAt(nowMs: number): number {
    const elapsedMs = Math.max(0, nowMs - this.failedAtMs);
    return this.#penaltyMs * Math.exp(-elapsedMs / DECAY_MS);
  }

  #untilNextProbeMs(): number {
    const backoffMs = FIRST_PROBE_MS * 2 ** this.#failedProbes;
    return this.#jittered(Math.min(PROBE_INTERVAL_MS, backoffMs));
  }

  #jittered(ms: number): number {
    return ms * (1 - PROBE_JITTER * this.options.random());
  }
}

/**
 * `broken`: no connection, or a lost one. `gateway`: reported by an intermediary. `timed_out`: no response.
 */
export type UnreachableReason = "broken" | "gateway" | "timed_out";

/** Permission to send a request to an endpoint. Only the first outcome counts. */
export class EndpointPermit {
  readonly granted = true;
  readonly isProbe: boolean;
  readonly #endpoint: Endpoint;
  readonly #permit: Permit;
  readonly #startedMs: number;
  readonly #period: number;
  readonly #failuresBefore: number;
  readonly #breaksBefore: number;
  readonly #wasEjected: boolean;
  #isSettled = false;

  /** @param isProbe if there is no response soon, another endpoint should be tried */
  constructor(endpoint: Endpoint, permit: Permit, isProbe: boolean, nowMs: number) {
    this.isProbe = isProbe;
    this.#endpoint = endpoint;
    this.#permit = permit;
    this.#startedMs = nowMs;
    this.#period = endpoint.start(isProbe, nowMs);
    this.#failuresBefore = endpoint.failures;
    this.#breaksBefore = endpoint.breaks;
    this.#wasEjected = endpoint.isEjected;
  }

  /** Index of the endpoint. */
  get origin(): number {
    return this.#endpoint.options.index;
  }

  answered(): void {
    if (!this.#settle(true)) return;
    const { latency } = this.#endpoint;
    if (this.isProbe) latency.reset(this.#elapsedMs(), this.#now());
    else latency.observe(this.#elapsedMs(), this.#now());
    this.#endpoint.succeeded(this.#failuresBefore, this.#startedMs, this.#now());
    this.#permit.ok();
  }

  /** An error response, whose latency is ignored because errors are often fast. */
  serverError(): void {
    if (this.#settle(true)) this.#permit.ok();
  }

  /** The endpoint did not execute the request. @param retryAfterMs pause that it asked for, or 0 */
  refused(retryAfterMs: number): void {
    if (!this.#settle(true)) return;
    this.#endpoint.failed(this.isProbe, false, this.#now(), retryAfterMs);
    this.#permit.ok();
  }

  unreachable(reason: UnreachableReason): void {
    if (!this.#settle(false)) return;
    const endpoint = this.#endpoint;
    const nowMs = this.#now();
    const hasResponded = endpoint.respondedAtMs >= this.#startedMs && endpoint.respondedAtMs <= nowMs;
    if (reason === "timed_out" && hasResponded && !this.#wasEjected) {
      // It has answered other requests meanwhile, so it is slow, not down.
      endpoint.latency.observe(this.#elapsedMs(), nowMs);
      this.#permit.ignore();
      return;
    }
    endpoint.failed(this.isProbe, true, nowMs);
    // Connections that break together count once: one of many pods behind the address may have stopped.
    const isCounted = reason !== "broken" || this.#wasEjected || this.#breaksBefore === endpoint.breaks;
    if (isCounted && reason === "broken") endpoint.breaks += 1;
    if (isCounted) this.#permit.fail();
    else this.#permit.ignore();
  }

  /** Another attempt was faster; this one is canceled. */
  hedgeLost(): void {
    if (!this.#settle(false)) return;
    this.#endpoint.latency.hedgeLost(this.#elapsedMs(), this.#now(), PENALTY_MS);
    // To return, an ejected endpoint must be as fast as the others.
    if (this.#wasEjected) this.#permit.fail();
    else this.#permit.ignore();
  }

  /** No evidence: the client left, or there was too little time. */
  ignore(): void {
    if (this.#settle(false)) this.#permit.ignore();
  }

  /** @returns whether this is the first outcome */
  #settle(hasResponded: boolean): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#endpoint.inFlight.leave(this.#period);
    if (hasResponded) this.#endpoint.respondedAtMs = this.#now();
    return true;
  }

  #now(): number {
    return this.#endpoint.options.now();
  }

  #elapsedMs(): number {
    return Math.max(0, this.#now() - this.#startedMs);
  }
}
