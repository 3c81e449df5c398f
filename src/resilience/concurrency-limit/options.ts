/** Options of the adaptive concurrency limit. Durations are milliseconds. */

export interface ConcurrencyLimitOptions {
  /** Lower bound, except for half of it while the baselines are measured. @default 1 */
  readonly minLimit?: number;
  /** Upper bound. @default 1,000 */
  readonly maxLimit?: number;
  /** The limit before anything is measured. @default 10 */
  readonly initialLimit?: number;
  /** The ratio of latency to baseline that the limit aims at. @default 1.4 */
  readonly tolerance?: number;
  /** Queue length for writes as a share of the limit; reads may fill 60 % of it, background work 30 %. @default 0.8 */
  readonly queueRatio?: number;
  /** Minimum queue length for writes, with the same shares. @default 8 */
  readonly minQueue?: number;
  /** Requests wait no longer than the work takes, and never longer than this. @default 1,000 */
  readonly maxWaitMs?: number;
  /** Arrivals after this long without a queue are a burst, and may wait this long. @default 1,000 */
  readonly burstMs?: number;
  /** Queue length for the writes of a burst, with the same shares. @default 1,000 */
  readonly burstQueue?: number;
  /** Minimum time between adjustments of the limit. @default 100 */
  readonly windowMs?: number;
  /** Minimum number of results for an adjustment. @default 10 */
  readonly minimumSamples?: number;
}

export type ConcurrencyLimitSettings = Required<ConcurrencyLimitOptions>;

const DEFAULTS: ConcurrencyLimitSettings = {
  minLimit: 1,
  maxLimit: 1_000,
  initialLimit: 10,
  tolerance: 1.4,
  queueRatio: 0.8,
  minQueue: 8,
  maxWaitMs: 1_000,
  burstMs: 1_000,
  burstQueue: 1_000,
  windowMs: 100,
  minimumSamples: 10,
};

const isCount = (value: number): boolean => Number.isInteger(value) && value >= 0;
const isPositiveCount = (value: number): boolean => Number.isInteger(value) && value > 0;

/** @throws RangeError for an invalid option, naming it */
export const concurrencyLimitSettings = (options: ConcurrencyLimitOptions): ConcurrencyLimitSettings => {
  const settings = { ...DEFAULTS, ...options };
  const require = (name: keyof ConcurrencyLimitSettings, isValid: boolean, expected: string): void => {
    if (!isValid) throw new RangeError(`${name} must be ${expected}, but is ${settings[name]}`);
  };
  const { minLimit, maxLimit, initialLimit, tolerance, queueRatio, maxWaitMs, burstMs, windowMs } = settings;
  for (const name of ["minLimit", "maxLimit", "initialLimit", "minimumSamples"] as const)
    require(name, isPositiveCount(settings[name]), "a positive integer");
  for (const name of ["minQueue", "burstQueue"] as const)
    require(name, isCount(settings[name]), "a non-negative integer");
  require("minLimit", minLimit <= maxLimit, "at most maxLimit");
  require("initialLimit", initialLimit >= minLimit &&
    initialLimit <= maxLimit, "within minLimit and maxLimit");
  require("tolerance", tolerance > 1 && Number.isFinite(tolerance), "finite and above 1");
  require("queueRatio", queueRatio >= 0 && Number.isFinite(queueRatio), "finite and not negative");
  require("maxWaitMs", maxWaitMs > 0, "positive");
  require("windowMs", windowMs > 0, "positive");
  require("burstMs", burstMs >= 0, "not negative");
  return settings;
};
