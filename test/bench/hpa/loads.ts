/** Shapes of load, in multiples of a pod's capacity, by seconds since the beginning. */
export interface Shape {
  readonly name: string;
  readonly durationS: number;
  /** Pods' worth of requests. */
  readonly load: (atS: number) => number;
  /** What a slow database adds to each request, milliseconds. @default none */
  readonly dependencyMs?: (atS: number) => number;
}

const MINUTE_S = 60;
const HOUR_S = 3_600;
/** Three pods at half of their capacity. */
const USUAL = 1.5;

const between = (atS: number, fromS: number, toS: number): boolean => atS >= fromS && atS < toS;

/** From one value to another, linearly. */
const ramp = (atS: number, fromS: number, toS: number, from: number, to: number): number =>
  from + (to - from) * Math.min(1, Math.max(0, (atS - fromS) / (toS - fromS)));

export const SHAPES: readonly Shape[] = [
  {
    name: "step × 4",
    durationS: 2 * HOUR_S,
    load: (atS) => (between(atS, 10 * MINUTE_S, HOUR_S) ? 4 * USUAL : USUAL),
  },
  {
    name: "ramp × 6 in 20 min",
    durationS: 2 * HOUR_S,
    load: (atS) =>
      atS < HOUR_S
        ? ramp(atS, 10 * MINUTE_S, 30 * MINUTE_S, USUAL, 6 * USUAL)
        : ramp(atS, HOUR_S, 80 * MINUTE_S, 6 * USUAL, USUAL),
  },
  {
    name: "a day",
    durationS: 24 * HOUR_S,
    load: (atS) => USUAL * (1 + 2.5 * (1 - Math.cos((2 * Math.PI * atS) / (24 * HOUR_S)))),
  },
  {
    name: "spike × 6 for 60 s",
    durationS: HOUR_S,
    load: (atS) => (between(atS, 10 * MINUTE_S, 11 * MINUTE_S) ? 6 * USUAL : USUAL),
  },
  {
    name: "flash crowd × 10",
    durationS: 2 * HOUR_S,
    load: (atS) =>
      atS < 40 * MINUTE_S
        ? ramp(atS, 10 * MINUTE_S, 10 * MINUTE_S + 30, USUAL, 10 * USUAL)
        : ramp(atS, 40 * MINUTE_S, HOUR_S, 10 * USUAL, USUAL),
  },
  {
    name: "oscillation of 8 min",
    durationS: 2 * HOUR_S,
    load: (atS) => 2 * USUAL * (1 + 0.5 * Math.sin((2 * Math.PI * atS) / (8 * MINUTE_S))),
  },
  {
    name: "slow database",
    durationS: 2 * HOUR_S,
    load: () => 0.75,
    dependencyMs: (atS) => (between(atS, 10 * MINUTE_S, HOUR_S) ? 95 : 0),
  },
];
