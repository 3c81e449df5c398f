/** What a breaker's behaviour is made of. Durations are milliseconds. */

export interface BreakerOptions {
  /** So many failures one after another open it; the guide's `failure_threshold`. @default 5 */
  readonly failureThreshold?: number;
  /** So many probes have to succeed before it closes; the guide's `success_threshold`. @default 3 */
  readonly successThreshold?: number;
  /** How long it stays open at first; twice that each further time, with full jitter; the guide's `timeout`. @default 1,000 */
  readonly timeoutMs?: number;
  /** It is never open longer, whatever it is told. @default 60,000 */
  readonly maxTimeoutMs?: number;
  /** How long a probe may take: its lease, after which it has failed; the guide's `half_open_timeout`. @default 5,000 */
  readonly halfOpenTimeoutMs?: number;
  /** With fewer calls in the window a share says nothing. @default 20 */
  readonly minimumCalls?: number;
  /** This share of failures in the window opens it. @default 0.5 */
  readonly failureRatio?: number;
  /** A call that takes so long is slow. @default never */
  readonly slowCallMs?: number | undefined;
  /** This share of slow calls in the window opens it. @default 0.8 */
  readonly slowRatio?: number;
  /** For so long after closing only a share of the calls is let through, growing evenly to all. @default 10,000 */
  readonly rampMs?: number;
  /** The share at the beginning of the ramp. @default 0.1 */
  readonly rampFrom?: number;
}

export type BreakerSettings = { readonly [Name in keyof BreakerOptions]-?: number };

const DEFAULTS: BreakerSettings = {
  failureThreshold: 5,
  successThreshold: 3,
  timeoutMs: 1_000,
  maxTimeoutMs: 60_000,
  halfOpenTimeoutMs: 5_000,
  minimumCalls: 20,
  failureRatio: 0.5,
  slowCallMs: Number.POSITIVE_INFINITY,
  slowRatio: 0.8,
  rampMs: 10_000,
  rampFrom: 0.1,
};

const WHOLE = ["failureThreshold", "successThreshold", "minimumCalls"] as const;
const POSITIVE = ["timeoutMs", "maxTimeoutMs", "halfOpenTimeoutMs", "slowCallMs"] as const;
const SHARES = ["failureRatio", "slowRatio", "rampFrom"] as const;

/** @throws RangeError for what makes no sense, naming it */
export const breakerSettings = (options: BreakerOptions): BreakerSettings => {
  const slowCallMs = options.slowCallMs ?? DEFAULTS.slowCallMs;
  const settings: BreakerSettings = { ...DEFAULTS, ...options, slowCallMs };
  for (const name of WHOLE)
    if (!(Number.isInteger(settings[name]) && settings[name] >= 1))
      throw new RangeError(`${name} must be a whole number above 0`);
  for (const name of POSITIVE) if (!(settings[name] > 0)) throw new RangeError(`${name} must be above 0`);
  for (const name of SHARES)
    if (!(settings[name] > 0 && settings[name] <= 1))
      throw new RangeError(`${name} must be above 0, at most 1`);
  if (!(settings.rampMs >= 0)) throw new RangeError("rampMs must not be negative");
  return settings;
};
