/**
 * The gradient that sets the limit: current latency over the latency of the same kinds of work with little in
 * flight (the baselines). The limit moves to where this ratio is the tolerance: by Little's law, the
 * tolerance times the concurrency that keeps the backend busy.
 *
 * Source: Gradient2 of https://github.com/Netflix/concurrency-limits, whose long-term latency drifts up under
 * a long overload. So, as in Envoy's adaptive concurrency filter and BBR's ProbeRTT, probes measure the
 * baselines again: a short time at half of the limit.
 */
import type { ConcurrencyLimitSettings } from "./concurrency-limit.ts";

/** The mean latency of one kind of work that began with little else in flight. */
export interface Baseline {
  latencyMs: number;
  /** Number of samples that the mean counts as; 0 for a guess. */
  weight: number;
}

/** Kinds beyond this number share one baseline. */
const MAX_KINDS = 256;
/** Maximum weight of a baseline: usually, and when a probe begins. */
const FOLLOWING_WEIGHT = 64;
const PROBE_WEIGHT = 6;
/** Shorter latencies reflect the scheduling of the process, not the work. */
const RESOLUTION_MS = 1;

/** Lower bound of the gradient in one adjustment. */
const MIN_GRADIENT = 0.7;
/** The limit keeps this share between probes, because the baselines may be out of date. */
const UNPROBED_SHARE = 0.5;
/** Missed deadlines lower the limit by their share times this, like marks in RFC 8257. */
const MISSED_FACTOR = 0.5;

/** Minimum time between probes, in milliseconds and in latencies. */
const PROBE_INTERVAL_MS = 2_000;
const PROBE_INTERVAL_LATENCIES = 16;
/** A probe lasts this share of the interval, until it has a sample per permit or reaches its timeout. */
const PROBE_SHARE = 1 / 32;
const MIN_PROBE_SAMPLES = 4;
const PROBE_TIMEOUT_MS = 50;
const PROBE_TIMEOUT_LATENCIES = 8;

/** Results since the last adjustment. Those before `fromMs` began under another limit and do not count. */
const startWindow = (fromMs: number) => ({
  fromMs,
  /** Whether a request had to wait. */
  isFull: false,
  ok: 0,
  missed: 0,
  /** Sums. */
  latencyMs: 0,
  baselineMs: 0,
});

interface Probe {
  /** Work that began earlier had to wait behind work from before the probe. */
  readonly sampleFromMs: number;
  readonly minEndMs: number;
  readonly maxEndMs: number;
  samples: number;
}

const halfOf = (limit: number): number => Math.max(1, Math.floor(limit / 2));

export class GradientLimit {
  readonly #settings: ConcurrencyLimitSettings;
  readonly #baselines = new Map<string, Baseline>();
  readonly #otherBaseline: Baseline = { latencyMs: 0, weight: 0 };
  /** The limit outside probes. Not rounded, so that small steps add up. */
  limit: number;
  /** The limit when the last probe began. */
  #probedLimit: number;
  #window: ReturnType<typeof startWindow>;
  #probe: Probe | undefined;
  #nextProbeMs = Number.POSITIVE_INFINITY;
  /** Mean latency of the last window, milliseconds. */
  latencyMs = 0;
  #ratio = 1;

  constructor(settings: ConcurrencyLimitSettings, nowMs: number) {
    this.#settings = settings;
    this.limit = settings.initialLimit;
    this.#probedLimit = settings.initialLimit;
    this.#window = startWindow(nowMs);
  }

  /** Maximum in flight: half of the limit during a probe. */
  get permits(): number {
    const permits = Math.round(this.limit);
    return this.#probe === undefined ? permits : halfOf(permits);
  }

  baselineOf(kind: string): Baseline {
    const known = this.#baselines.get(kind);
    if (known !== undefined) return known;
    if (this.#baselines.size >= MAX_KINDS) return this.#otherBaseline;
    const baseline = { latencyMs: 0, weight: 0 };
    this.#baselines.set(kind, baseline);
    return baseline;
  }

  /** Whether work that begins now is a sample for its baseline. @param inFlight with this work */
  isSample(inFlight: number, nowMs: number): boolean {
    if (this.#probe !== undefined && nowMs < this.#probe.sampleFromMs) return false;
    return inFlight <= halfOf(Math.round(this.limit));
  }

  /** A request has to wait. */
  markFull(): void {
    this.#window.isFull = true;
  }

  ok(nowMs: number, tookMs: number, baseline: Baseline, isSample: boolean): void {
    const latencyMs = Math.max(tookMs, RESOLUTION_MS);
    if (isSample) this.#learn(baseline, latencyMs);
    // A new kind is assumed to be as slowed down as the others.
    else if (baseline.weight === 0) baseline.latencyMs = latencyMs / Math.max(1, this.#ratio);
    const window = this.#window;
    if (nowMs < window.fromMs) return;
    window.ok += 1;
    window.latencyMs += latencyMs;
    window.baselineMs += baseline.latencyMs;
  }

  missed(nowMs: number): void {
    if (nowMs >= this.#window.fromMs) this.#window.missed += 1;
  }

  /** Adjusts the limit, and begins or ends a probe, if due. */
  update(nowMs: number): void {
    if (this.#probe !== undefined) {
      const { minEndMs, maxEndMs, samples } = this.#probe;
      if (nowMs >= maxEndMs || (nowMs >= minEndMs && samples >= Math.max(MIN_PROBE_SAMPLES, this.permits))) {
        this.#probe = undefined;
        this.#window = startWindow(nowMs + this.latencyMs);
      }
      return;
    }
    if (nowMs >= this.#nextProbeMs) this.#beginProbe(nowMs);
    else if (this.#isComplete(nowMs)) this.#endWindow(nowMs);
  }

  #learn(baseline: Baseline, latencyMs: number): void {
    baseline.weight = Math.min(baseline.weight + 1, FOLLOWING_WEIGHT);
    baseline.latencyMs += (latencyMs - baseline.latencyMs) / baseline.weight;
    if (this.#probe !== undefined) this.#probe.samples += 1;
  }

  #isComplete(nowMs: number): boolean {
    const { windowMs, minimumSamples } = this.#settings;
    const { fromMs, ok, missed } = this.#window;
    return ok + missed >= minimumSamples && nowMs - fromMs >= Math.max(windowMs, this.latencyMs);
  }

  #endWindow(nowMs: number): void {
    const { isFull, ok, latencyMs } = this.#window;
    if (ok > 0) this.latencyMs = latencyMs / ok;
    if (isFull) {
      this.#adjust();
      // A fixed limit needs no baselines.
      if (this.#settings.minLimit < this.#settings.maxLimit) this.#planProbe(nowMs);
    } else {
      // With little in flight the baselines are up to date.
      this.#nextProbeMs = Number.POSITIVE_INFINITY;
    }
    this.#window = startWindow(isFull ? nowMs + this.latencyMs : nowMs);
  }

  #adjust(): void {
    const { tolerance, minLimit, maxLimit } = this.#settings;
    const { ok, missed, latencyMs, baselineMs } = this.#window;
    // The ratio of sums weights each kind by its share of the limit.
    if (ok > 0) this.#ratio = latencyMs / baselineMs;
    const gradient = Math.max(ok > 0 ? tolerance / this.#ratio : 1, MIN_GRADIENT);
    const wanted = Math.min(this.limit * gradient, this.limit + Math.sqrt(this.limit));
    const lowest = Math.min(this.limit, this.#probedLimit * UNPROBED_SHARE);
    const next = Math.max(wanted, lowest) * (1 - (MISSED_FACTOR * missed) / (ok + missed));
    this.limit = Math.min(Math.max(next, minLimit), maxLimit);
  }

  /** At round times, so that processes with a common backend probe together, not under each other's load. */
  #planProbe(nowMs: number): void {
    const intervalMs = this.#probeIntervalMs();
    if (this.#nextProbeMs === Number.POSITIVE_INFINITY)
      this.#nextProbeMs = (Math.floor(nowMs / intervalMs) + 1) * intervalMs;
  }

  /** A power of two, so that longer intervals are multiples of shorter ones. */
  #probeIntervalMs(): number {
    return 2 ** Math.ceil(Math.log2(Math.max(PROBE_INTERVAL_MS, PROBE_INTERVAL_LATENCIES * this.latencyMs)));
  }

  #beginProbe(nowMs: number): void {
    const minEndMs = nowMs + this.#probeIntervalMs() * PROBE_SHARE;
    this.#probe = {
      sampleFromMs: nowMs + this.latencyMs,
      minEndMs,
      maxEndMs: minEndMs + Math.max(PROBE_TIMEOUT_MS, PROBE_TIMEOUT_LATENCIES * this.latencyMs),
      samples: 0,
    };
    this.#nextProbeMs = Number.POSITIVE_INFINITY;
    this.#probedLimit = this.limit;
    for (const baseline of [...this.#baselines.values(), this.#otherBaseline])
      baseline.weight = Math.min(baseline.weight, PROBE_WEIGHT);
  }
}
