/** What a limiter's behaviour is made of. Durations are milliseconds. */

export interface LimiterOptions {
  /**
   * τ: for so long an isolate may live on tokens that it has taken from the store. In any window W a limit admits at
   * most capacity + refill × (W + τ). Longer costs fewer round trips. @default 2,000
   */
  readonly leaseMs?: number;
  /** Longer than this no request waits for the store. @default 150 */
  readonly deadlineMs?: number;
  /** Who has waited for another one's round trip in vain may take so much longer. @default 30 */
  readonly graceMs?: number;
  /** How often who waits for another one's round trip looks whether it is over. @default 4 */
  readonly lookEveryMs?: number;
  /** A limit whose tokens are used up is asked for at most so often by an isolate, unless it is strict. @default 50 */
  readonly paceMs?: number;
  /** Of more keys at a time an isolate remembers nothing. @default 20,000 */
  readonly maxKeys?: number;
}

export type LimiterSettings = Required<LimiterOptions>;

const DEFAULTS: LimiterSettings = {
  leaseMs: 2_000,
  deadlineMs: 150,
  graceMs: 30,
  lookEveryMs: 4,
  paceMs: 50,
  maxKeys: 20_000,
};

/** @throws RangeError for what makes no sense, naming it */
export const limiterSettings = (options: LimiterOptions): LimiterSettings => {
  const settings = { ...DEFAULTS, ...options };
  for (const [name, value] of Object.entries(settings))
    if (!(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new RangeError(`${name} must be above 0, and finite`);
  if (!(Number.isInteger(settings.maxKeys) && settings.maxKeys > 1))
    throw new RangeError("maxKeys must be a whole number above 1");
  return settings;
};
