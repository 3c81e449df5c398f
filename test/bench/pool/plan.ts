/** Which scenarios are run, and over whom. */
import type { Contestant } from "./contestant.ts";
import type { Scenario } from "./scenario.ts";
import { calm, FULL, fast503, hole, midbody, outage, posts, QUICK, recover, slow } from "./scenarios.ts";

export interface Entry {
  readonly scenario: Scenario;
  readonly rounds: number;
  readonly isFor: (contestant: Contestant) => boolean;
}

/** By the names by which figures are taken from it. */
export type Plan = Readonly<Record<string, Entry>>;

const all = (scenario: Scenario, rounds = 1): Entry => ({ scenario, rounds, isFor: () => true });
/** The best setting of each product. */
const chosen = (scenario: Scenario): Entry => ({ scenario, rounds: 1, isFor: ({ isChosen }) => isChosen });
const ours = (scenario: Scenario): Entry => ({ scenario, rounds: 1, isFor: ({ isOurs }) => isOurs });

export const QUICK_PLAN: Plan = {
  slow: chosen(slow(4, QUICK)),
  fast503: ours(fast503(QUICK)),
  outage: ours(outage("reset", QUICK)),
  recover: ours(recover("refuse", QUICK)),
};

export const FULL_PLAN: Plan = {
  calm: all(calm(4, FULL)),
  slow: all(slow(4, FULL), 2),
  fast503: all(fast503(FULL)),
  hole: all(hole(FULL)),
  midbody: chosen(midbody(FULL)),
  posts: chosen(posts(FULL)),
  outage: chosen(outage("reset", FULL)),
  outage503: chosen(outage("fast503", FULL)),
  recover: chosen(recover("refuse", FULL)),
  recover503: chosen(recover("fast503", FULL)),
  recoverSlow: chosen(recover("slow", FULL)),
  calmSixteen: chosen(calm(16, FULL)),
  sixteen: all(slow(16, FULL)),
};
