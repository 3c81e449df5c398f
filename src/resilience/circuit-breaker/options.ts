/** Settings of a circuit breaker. Durations are milliseconds. */

const DEFAULTS = {
  /** Consecutive failures that open it; `failure_threshold` in the guide. @default 5 */
  failureThreshold: 5,
  /** Successful probes that close it; `success_threshold` in the guide. @default 3 */
  successThreshold: 3,
  /** Upper bound of the first open time, doubled each time, with full jitter; `timeout` in the guide. @default 1,000 */
  timeoutMs: 1_000,
  /** Upper bound of every open time, pushback included. @default 60,000 */
  maxTimeoutMs: 60_000,
  /** Lease of a probe, after which it has failed; `half_open_timeout` in the guide. @default 5,000 */
  halfOpenTimeoutMs: 5_000,
  /** Calls in the window below which ratios are ignored. @default 20 */
  minimumCalls: 20,
  /** Ratio of failures in the window that opens it. @default 0.5 */
  failureRatio: 0.5,
  /** Duration from which a call is slow. @default Infinity */
  slowCallMs: Number.POSITIVE_INFINITY,
  /** Ratio of slow calls in the window that opens it. @default 0.8 */
  slowRatio: 0.8,
  /** Time after closing during which the ratio of admitted calls grows to 1. @default 10,000 */
  rampMs: 10_000,
  /** Ratio of admitted calls at the start of the ramp. @default 0.1 */
  rampFrom: 0.1,
};

export type BreakerSettings = Readonly<typeof DEFAULTS>;

export interface BreakerOptions extends Partial<Omit<BreakerSettings, "slowCallMs">> {
  /** Duration from which a call is slow. @default Infinity */
  readonly slowCallMs?: number | undefined;
}

const COUNTS = ["failureThreshold", "successThreshold", "minimumCalls"] as const;
const DURATIONS = ["timeoutMs", "maxTimeoutMs", "halfOpenTimeoutMs", "slowCallMs"] as const;
const RATIOS = ["failureRatio", "slowRatio", "rampFrom"] as const;

/** @throws RangeError that names an invalid option */
export const breakerSettings = (options: BreakerOptions): BreakerSettings => {
  const settings = { ...DEFAULTS, ...options, slowCallMs: options.slowCallMs ?? DEFAULTS.slowCallMs };
  for (const name of COUNTS)
    if (!(Number.isInteger(settings[name]) && settings[name] >= 1))
      throw new RangeError(`${name} must be a whole number above 0`);
  for (const name of DURATIONS) if (!(settings[name] > 0)) throw new RangeError(`${name} must be above 0`);
  for (const name of RATIOS)
    if (!(settings[name] > 0 && settings[name] <= 1))
      throw new RangeError(`${name} must be above 0, at most 1`);
  if (!(settings.rampMs >= 0)) throw new RangeError("rampMs must not be negative");
  return settings;
};
