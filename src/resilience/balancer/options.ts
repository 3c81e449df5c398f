/** What an origin pool's behaviour is made of. Durations are milliseconds, shares within 0 and 1. */

export interface PoolOptions {
  /** For how long a latency or a failure is remembered: after so long it counts for 1/e. @default 10,000 */
  readonly memoryMs?: number;
  /** Below this no difference is made between latencies. @default 5 */
  readonly finestMs?: number;
  /** One that is so many times as good is not better: it may be chance. @default 1.25 */
  readonly tolerance?: number;
  /** What a failure counts for, as a latency. @default 5,000 */
  readonly penaltyMs?: number;
  /** An origin that asks not to be called for longer counts as if it took so long. @default 60,000 */
  readonly maxPenaltyMs?: number;
  /** How sure a choice is: one twice as good beyond that takes another one's place with 1 - 1/2ⁿ. @default 3 */
  readonly sharpness?: number;
  /** Every origin gets a request so often at least, where there are any that may be made again. @default 10,000 */
  readonly lookEveryMs?: number;
  /** One that has failed is looked at after so long; after twice that each further time. @default 1,000 */
  readonly firstLookMs?: number;
  /** An origin that is back has its whole share after so long. @default 6,000 */
  readonly warmUpMs?: number;
  /** The share of its share with which it begins. @default 0.1 */
  readonly warmUpFrom?: number;
  /** While more than half of the origins are ejected, the next one is tried so often. @default 100 */
  readonly panicEveryMs?: number;
}

export type PoolSettings = Required<PoolOptions>;

const DEFAULTS: PoolSettings = {
  memoryMs: 10_000,
  finestMs: 5,
  tolerance: 1.25,
  penaltyMs: 5_000,
  maxPenaltyMs: 60_000,
  sharpness: 3,
  lookEveryMs: 10_000,
  firstLookMs: 1_000,
  warmUpMs: 6_000,
  warmUpFrom: 0.1,
  panicEveryMs: 100,
};

/** @throws RangeError for what makes no sense, naming it */
export const poolSettings = (options: PoolOptions): PoolSettings => {
  const settings = { ...DEFAULTS, ...options };
  for (const [name, value] of Object.entries(settings))
    if (!(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new RangeError(`${name} must be above 0, and finite`);
  if (settings.warmUpFrom > 1) throw new RangeError("warmUpFrom must be at most 1");
  if (settings.tolerance < 1) throw new RangeError("tolerance must be at least 1");
  return settings;
};
