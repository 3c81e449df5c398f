/** Settings of a balancer. Durations are milliseconds. */

const DEFAULTS = {
  /** Time constant of latencies and penalties: after it, they count for 1/e. @default 10,000 */
  decayMs: 10_000,
  /** Latencies below are equal. @default 5 */
  minLatencyMs: 5,
  /** Ratio up to which a better score may be chance and is ignored. @default 1.25 */
  tolerance: 1.25,
  /** Latency that a failure counts for. @default 5,000 */
  penaltyMs: 5_000,
  /** Upper bound of a penalty, if the endpoint asks for a longer pause. @default 60,000 */
  maxPenaltyMs: 60_000,
  /** n: an endpoint with half the score, tolerance aside, replaces the other with probability 1 - 1/2ⁿ. @default 3 */
  sharpness: 3,
  /** Every endpoint gets a request at least this often, if there are repeatable ones. @default 10,000 */
  probeIntervalMs: 10_000,
  /** First probe after a failure; the interval doubles with each failed probe. @default 1,000 */
  firstProbeMs: 1_000,
  /** Time in which a recovered endpoint returns to its whole share. @default 6,000 */
  warmUpMs: 6_000,
  /** Fraction of its share with which it starts. @default 0.1 */
  warmUpFrom: 0.1,
  /** While more than half of the endpoints are ejected, the next one is probed this often. @default 100 */
  panicIntervalMs: 100,
};

export type BalancerSettings = Readonly<typeof DEFAULTS>;
export type BalancerOptions = Partial<BalancerSettings>;

/** @throws RangeError that names an invalid option */
export const balancerSettings = (options: BalancerOptions): BalancerSettings => {
  const settings = { ...DEFAULTS, ...options };
  for (const [name, value] of Object.entries(settings))
    if (!(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new RangeError(`${name} must be above 0, and finite`);
  if (settings.warmUpFrom > 1) throw new RangeError("warmUpFrom must be at most 1");
  if (settings.tolerance < 1) throw new RangeError("tolerance must be at least 1");
  return settings;
};
