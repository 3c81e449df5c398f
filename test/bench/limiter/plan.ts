/** How long what takes. Milliseconds. */

export interface Plan {
  readonly isQuick: boolean;
  /** So often each contestant has its turn at a load. */
  readonly turns: number;
  /** Before anything is measured of Breakwater, and of the others, which need none but for their connections. */
  readonly warmMs: number;
  readonly othersWarmMs: number;
  readonly measureMs: number;
  /** A load that tells what is admitted, and no times. */
  readonly boundsMs: number;
  readonly hangMs: number;
  /** Of the simulated cells, on their clock. */
  readonly simulatedMs: number;
}

export const FULL: Plan = {
  isQuick: false,
  turns: 3,
  warmMs: 1_000,
  othersWarmMs: 1_000,
  measureMs: 2_000,
  boundsMs: 3_000,
  hangMs: 8_000,
  simulatedMs: 30_000,
};

export const QUICK: Plan = {
  isQuick: true,
  turns: 1,
  warmMs: 1_000,
  othersWarmMs: 150,
  measureMs: 750,
  boundsMs: 1_100,
  hangMs: 5_150,
  simulatedMs: 6_000,
};
