/**
 * Load balancer for equivalent endpoints: power of two choices on peak-EWMA latency, with a penalty for
 * failures (Mitzenmacher 2001, "The power of two choices in randomized load balancing").
 *
 * One endpoint is drawn by share, and a second one may replace it: the better its score, the more likely.
 * Equal endpoints get their exact shares, a worse one gets hardly any traffic, and a better one gets at most
 * twice its share, so that it is not overloaded, unless it is far better than all others. Probes, which are
 * repeatable requests, refresh the state of the other endpoints.
 */
import {
  type BreakerDependencies,
  type BreakerOptions,
  createBreaker,
  type Transition,
} from "../circuit-breaker/circuit-breaker.ts";
import { Endpoint, EndpointPermit, type EndpointView, PROBE_INTERVAL_MS } from "./endpoint.ts";

interface BalancerDependencies extends Pick<BreakerDependencies, "now" | "random"> {
  /** Called with the index of an endpoint when its breaker changes state. */
  readonly onTransition?: (origin: number, transition: Transition) => void;
}

export interface AcquireOptions {
  /** Whether the request may be sent again, or to another endpoint in parallel. */
  readonly isRepeatable: boolean;
  /** Endpoints already tried for the request. @default none */
  readonly except?: readonly number[];
  /** Whether the request may serve as a probe. @default for the first attempt */
  readonly mayProbe?: boolean;
  /** Maximum duration of the request, the lease of a probe. @default the breaker's */
  readonly leaseMs?: number;
}

export interface BalancerRejection {
  readonly granted: false;
  /** When to try again, on the balancer's clock; undefined if there is no endpoint to wait for. */
  readonly retryAtMs: number | undefined;
}

type Acquired = EndpointPermit | BalancerRejection;

/** After this number of intervals without a probe, unrepeatable requests serve as probes, too. */
const LAST_RESORT_INTERVALS = 3;
/** While more than half of the endpoints are ejected, the next one is probed this often. */
const PANIC_INTERVAL_MS = 100;
/** Ratio up to which a better score may be chance and is ignored. */
const TOLERANCE = 1.25;
/** An endpoint with half the score, after tolerance, replaces the other with probability 1 - 1/2³. */
const SHARPNESS = 3;
/** An endpoint that is this factor better than both choices is preferred. */
const FAR_BETTER = 4;

export class Balancer {
  readonly #endpoints: readonly Endpoint[];
  readonly #now: () => number;
  readonly #random: () => number;
  #panickedAtMs = Number.NEGATIVE_INFINITY;

  /** @param weights one per endpoint, above 0: among equals, weight 2 gets twice the traffic of weight 1 */
  constructor(
    weights: readonly number[],
    breakerOptions: BreakerOptions,
    { now, random, onTransition }: BalancerDependencies,
  ) {
    this.#now = now;
    this.#random = random;
    const meanWeight = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
    // Ejected endpoints are probed as often as others. The balancer warms up those that return, because calls
    // that a breaker's ramp rejects would not reach another endpoint.
    const maxTimeoutMs = Math.max(PROBE_INTERVAL_MS, breakerOptions.timeoutMs ?? 0);
    const options = { maxTimeoutMs, ...breakerOptions, rampMs: 0 };
    this.#endpoints = weights.map((weight, index) => {
      const breaker = createBreaker(options, {
        now,
        random,
        onTransition: (transition) => {
          if (transition.to === "closed") this.#returned(index, transition.atMs);
          onTransition?.(index, transition);
        },
      });
      const onHealthy = (endpoint: Endpoint, nowMs: number): void => this.#recovered(endpoint, nowMs);
      return new Endpoint({ index, weight: weight / meanWeight, breaker, now, random, onHealthy });
    });
  }

  get size(): number {
    return this.#endpoints.length;
  }

  /** The endpoints in their order, for metrics. */
  views(): readonly EndpointView[] {
    const [nowMs, unknownMs] = [this.#now(), this.#medianMs()];
    return this.#endpoints.map((endpoint) => endpoint.view(nowMs, unknownMs));
  }

  /** The caller must report the outcome to the permit. */
  acquire({ isRepeatable, except = [], mayProbe, leaseMs }: AcquireOptions): Acquired {
    const nowMs = this.#now();
    const isProbe = (mayProbe ?? except.length === 0) && this.size > 1;
    return (
      (isProbe ? this.#probe(nowMs, isRepeatable, leaseMs) : undefined) ??
      this.#choose(nowMs, except) ??
      this.#probeAny(nowMs, except, leaseMs)
    );
  }

  /** Whether another endpoint is not ejected. */
  hasOther(except: readonly number[]): boolean {
    return this.#available(except).length > 0;
  }

  /** Whether another endpoint is not ejected, and its last result was no failure. */
  hasHealthy(except: readonly number[]): boolean {
    return this.#available(except).some(({ isFailing }) => !isFailing);
  }

  #available(except: readonly number[]): readonly Endpoint[] {
    return this.#endpoints.filter(({ options, isEjected }) => !(isEjected || except.includes(options.index)));
  }

  /** Sends the request to an endpoint whose probe is due. */
  #probe(nowMs: number, isRepeatable: boolean, leaseMs: number | undefined): Acquired | undefined {
    // Without repeatable requests, recovery would never be noticed, so others are risked after some time.
    const minMs = isRepeatable ? 0 : LAST_RESORT_INTERVALS * PROBE_INTERVAL_MS;
    const isPanicking = this.#panic(nowMs) && isRepeatable;
    let due: Endpoint | undefined;
    let maxOverdueMs = minMs;
    for (const endpoint of this.#endpoints) {
      const overdueMs = endpoint.overdueMs(nowMs);
      if (endpoint.isEjected) {
        // After a successful probe the next one follows at once.
        const isDue = isPanicking || !endpoint.isFailing || overdueMs > minMs;
        const permit = isDue ? this.#acquireFrom(endpoint, true, nowMs, leaseMs) : undefined;
        if (permit?.granted) return permit;
      } else if (overdueMs > maxOverdueMs) {
        due = endpoint;
        maxOverdueMs = overdueMs;
      }
    }
    return due && this.#acquireFrom(due, true, nowMs);
  }

  /** Power of two choices among the endpoints that are not ejected. */
  #choose(nowMs: number, except: readonly number[]): Acquired | undefined {
    const available = this.#available(except);
    const [only] = available;
    if (only === undefined) return undefined;
    if (available.length === 1) return this.#acquireFrom(only, false, nowMs);
    // Penalized endpoints only get probes while others are available.
    const unpenalized = available.filter(({ isPenalized }) => !isPenalized);
    const candidates = unpenalized.length > 0 ? unpenalized : available;
    const first = this.#draw(candidates, nowMs);
    if (first === undefined) return undefined;
    const second = this.#draw(
      candidates.filter((endpoint) => endpoint !== first),
      nowMs,
    );
    const unknownMs = this.#medianMs();
    const scoreOf = (endpoint: Endpoint): number => endpoint.score(nowMs, unknownMs);
    let chosen = first;
    if (second !== undefined) {
      const ratio = (TOLERANCE * scoreOf(second)) / scoreOf(first);
      if (ratio < 1 && this.#random() < 1 - ratio ** SHARPNESS) chosen = second;
    }
    // Both choices may be bad endpoints.
    if (this.size > 2) {
      const best = available.reduce((a, b) => (scoreOf(b) < scoreOf(a) ? b : a));
      if (scoreOf(best) < scoreOf(chosen) / FAR_BETTER) chosen = best;
    }
    return this.#acquireFrom(chosen, false, nowMs);
  }

  #draw(candidates: readonly Endpoint[], nowMs: number): Endpoint | undefined {
    const total = candidates.reduce((sum, endpoint) => sum + endpoint.share(nowMs), 0);
    let left = this.#random() * total;
    const drawn = candidates.find((endpoint) => {
      left -= endpoint.share(nowMs);
      return left < 0;
    });
    return drawn ?? candidates.at(-1);
  }

  /** Assumed latency of endpoints without samples: the median of the others. */
  #medianMs(): number {
    if (this.#endpoints.every(({ latency }) => latency.ms !== undefined)) return 0;
    const samples = this.#endpoints.flatMap(({ latency }) => latency.ms ?? []);
    return samples.sort((a, b) => a - b)[samples.length >> 1] ?? 0;
  }

  /** If all are ejected: probes the one with the oldest failure whose breaker admits it. */
  #probeAny(nowMs: number, except: readonly number[], leaseMs: number | undefined): Acquired {
    if (this.size > 1) this.#panic(nowMs);
    let retryAtMs = Number.POSITIVE_INFINITY;
    for (const endpoint of [...this.#endpoints].sort(byFailure)) {
      if (except.includes(endpoint.options.index)) continue;
      const permit = this.#acquireFrom(endpoint, true, nowMs, leaseMs);
      if (permit.granted) return permit;
      retryAtMs = Math.min(retryAtMs, permit.retryAtMs ?? retryAtMs);
    }
    return { granted: false, retryAtMs: Number.isFinite(retryAtMs) ? retryAtMs : undefined };
  }

  #acquireFrom(endpoint: Endpoint, isProbe: boolean, nowMs: number, leaseMs?: number): Acquired {
    const permit = endpoint.options.breaker.tryAcquire(leaseMs);
    return permit.granted ? new EndpointPermit(endpoint, permit, isProbe, nowMs) : permit;
  }

  /** Whether more than half are ejected. Then the others are overloaded, so open times are cut short. */
  #panic(nowMs: number): boolean {
    const ejected = this.#endpoints.filter(({ isEjected }) => isEjected);
    if (ejected.length <= this.size / 2) return false;
    if (Math.abs(nowMs - this.#panickedAtMs) < PANIC_INTERVAL_MS) return true;
    this.#panickedAtMs = nowMs;
    const [oldest] = ejected.filter(({ options }) => options.breaker.state === "open").sort(byFailure);
    oldest?.options.breaker.probeNow();
    return true;
  }

  /** If most endpoints were ejected, the others are likely to be back as well. */
  #returned(origin: number, nowMs: number): void {
    const others = this.#endpoints.filter(({ options, isEjected }) => options.index !== origin && isEjected);
    if (others.length + 1 > this.size / 2) for (const { options } of others) options.breaker.probeNow();
    this.#endpoints[origin]?.warmUp(nowMs);
  }

  /** The same for endpoints that were failing but not ejected. */
  #recovered(endpoint: Endpoint, nowMs: number): void {
    const others = this.#endpoints.filter((other) => other !== endpoint && other.isFailing);
    if (others.length + 1 > this.size / 2) for (const other of others) other.probeNow(nowMs);
  }
}

const byFailure = (a: Endpoint, b: Endpoint): number => a.failedAtMs - b.failedAtMs;
