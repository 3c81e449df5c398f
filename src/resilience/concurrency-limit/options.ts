/** Options of the adaptive concurrency limit. Durations are milliseconds. */

const DEFAULTS = {
  /** Lower bound of the limit; a probe still halves it. */
  minLimit: 1,
  /** Upper bound of the limit. */
  maxLimit: 1_000,
  /** The limit before anything is measured. */
  initialLimit: 10,
  /** The ratio of latency to baseline that the limit aims at; above 1. */
  tolerance: 1.4,
  /** Queue length for writes as a share of the limit; reads may fill 60 % of it, background work 30 %. */
  queueRatio: 0.8,
  /** Minimum queue length for writes, with the same shares. */
  minQueue: 8,
  /** Requests wait no longer than the work takes, and never longer than this. */
  maxWaitMs: 1_000,
  /** Arrivals after this long without a queue are a burst, and may wait this long. */
  burstMs: 1_000,
  /** Queue length for the writes of a burst, with the same shares. */
  burstQueue: 1_000,
  /** Minimum time between adjustments of the limit. */
  windowMs: 100,
  /** Minimum number of results for an adjustment. */
  minimumSamples: 10,
};

export type ConcurrencyLimitSettings = Readonly<typeof DEFAULTS>;
export type ConcurrencyLimitOptions = Partial<ConcurrencyLimitSettings>;

const isWhole = (value: number, least: number): boolean => Number.isInteger(value) && value >= least;

/** @throws RangeError for an invalid option, naming it */
export const concurrencyLimitSettings = (options: ConcurrencyLimitOptions): ConcurrencyLimitSettings => {
  const settings = { ...DEFAULTS, ...options };
  const { minLimit, maxLimit, initialLimit, tolerance, queueRatio } = settings;
  const isValid: Readonly<Record<keyof ConcurrencyLimitSettings, boolean>> = {
    minLimit: isWhole(minLimit, 1) && minLimit <= maxLimit,
    maxLimit: isWhole(maxLimit, 1),
    initialLimit: isWhole(initialLimit, 1) && initialLimit >= minLimit && initialLimit <= maxLimit,
    tolerance: tolerance > 1 && Number.isFinite(tolerance),
    queueRatio: queueRatio >= 0 && Number.isFinite(queueRatio),
    minQueue: isWhole(settings.minQueue, 0),
    maxWaitMs: settings.maxWaitMs > 0,
    burstMs: settings.burstMs >= 0,
    burstQueue: isWhole(settings.burstQueue, 0),
    windowMs: settings.windowMs > 0,
    minimumSamples: isWhole(settings.minimumSamples, 1),
  };
  const invalid = Object.entries(isValid).flatMap(([name, valid]) => (valid ? [] : [name]));
  if (invalid.length > 0) throw new RangeError(`invalid concurrency limit: ${invalid.join(", ")}`);
  return settings;
};
