/** What an adaptive limit's behaviour is made of. Durations are milliseconds. */

export interface OverloadOptions {
  /** It is never lower, but for half of it while the baselines are checked. @default 1 */
  readonly minLimit?: number;
  /** It is never higher. @default 1,000 */
  readonly maxLimit?: number;
  /** Before anything is known. @default 10 */
  readonly initialLimit?: number;
  /** So many times its baseline a latency may be: what the limit is led to. @default 1.4 */
  readonly tolerance?: number;
  /** So many writes may wait, as a share of the limit; of reads 60 %, of background work 30 % of that. @default 0.8 */
  readonly queueRatio?: number;
  /** However low the limit is, so many writes may wait, and the same shares of it. @default 8 */
  readonly minQueue?: number;
  /** Nobody waits longer than the work itself takes, and never longer than this. @default 1,000 */
  readonly maxWaitMs?: number;
  /** What comes after so long a time in which nobody had to wait is a burst, and may wait as long. @default 1,000 */
  readonly burstMs?: number;
  /** So many writes of a burst may wait, and the same shares of it. @default 1,000 */
  readonly burstQueue?: number;
  /** The limit is looked at so often at most. @default 100 */
  readonly windowMs?: number;
  /** With fewer results in the window its mean says nothing. @default 10 */
  readonly minimumSamples?: number;
}

export type OverloadSettings = Required<OverloadOptions>;

const DEFAULTS: OverloadSettings = {
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

const WHOLE = ["minLimit", "maxLimit", "initialLimit", "minimumSamples"] as const;
const POSITIVE = ["maxWaitMs", "windowMs"] as const;

/** @throws RangeError for what makes no sense, naming it */
export const overloadSettings = (options: OverloadOptions): OverloadSettings => {
  const settings = { ...DEFAULTS, ...options };
  for (const name of WHOLE)
    if (!(Number.isInteger(settings[name]) && settings[name] >= 1))
      throw new RangeError(`${name} must be a whole number above 0`);
  for (const name of POSITIVE) if (!(settings[name] > 0)) throw new RangeError(`${name} must be above 0`);
  const { minLimit, maxLimit, initialLimit, tolerance, queueRatio } = settings;
  if (minLimit > maxLimit) throw new RangeError("minLimit must not be above maxLimit");
  if (initialLimit < minLimit || initialLimit > maxLimit)
    throw new RangeError("initialLimit must be within minLimit and maxLimit");
  if (!(tolerance > 1 && tolerance < Number.POSITIVE_INFINITY))
    throw new RangeError("tolerance must be above 1, and finite");
  if (!(queueRatio >= 0 && queueRatio < Number.POSITIVE_INFINITY))
    throw new RangeError("queueRatio must not be negative, and finite");
  for (const name of ["minQueue", "burstQueue"] as const)
    if (!(Number.isInteger(settings[name]) && settings[name] >= 0))
      throw new RangeError(`${name} must be a whole number, not negative`);
  if (!(settings.burstMs >= 0)) throw new RangeError("burstMs must not be negative");
  return settings;
};
