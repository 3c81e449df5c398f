/** One contestant under one load, alone, with keys of its own. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Arrival } from "./arrivals.ts";
import type { Contestant, Isolate, IsolateSetup } from "./contestant.ts";
import { drive, type Moment, type Told } from "./drive.ts";
import { type Front, startFront } from "./front.ts";
import type { Rule } from "./rule.ts";
import type { BenchStore } from "./store.ts";

export interface Surroundings {
  readonly store: BenchStore;
  readonly signal: AbortSignal;
}

/** What is there while it goes on. */
export interface Stage {
  readonly front: Front;
  readonly isolates: readonly Isolate[];
  /** Another one, that knows nothing, has come into its place. */
  replace(index: number): void;
}

export interface StretchPlan {
  readonly contestant: Contestant;
  readonly rule: Rule;
  readonly tripMs: number;
  readonly isolates: number;
  readonly arrivals: readonly Arrival[];
  /** From when on is measured. */
  readonly warmMs: number;
  readonly untilMs: number;
  /** It begins so long before an edge of the windows, which are aligned to the epoch. @default at once */
  readonly beforeEdgeMs?: number;
  readonly onStoreFailure?: IsolateSetup["onStoreFailure"];
  readonly moments?: (stage: Stage) => readonly Moment[];
}

export interface Stretch {
  /** All of it, in the order in which it was said. */
  readonly told: readonly Told[];
  /** The part that was due when it was measured. */
  readonly measured: readonly Told[];
  /** Round trips, and commands, of what was measured. */
  readonly trips: number;
  readonly commands: number;
}

const untilBeforeEdge = async ({ beforeEdgeMs, rule: { windowMs } }: StretchPlan, signal: AbortSignal) => {
  if (beforeEdgeMs === undefined) return;
  const sinceMs = (Date.now() + beforeEdgeMs) % windowMs;
  await pause(windowMs - sinceMs, undefined, { signal });
};

export const runStretch = async (plan: StretchPlan, { store, signal }: Surroundings): Promise<Stretch> => {
  const { contestant, rule, tripMs, arrivals, warmMs, untilMs, onStoreFailure = "closed" } = plan;
  const front = await startFront(store.bridge.url, tripMs);
  const keyPrefix = `${contestant.id}-${randomBytes(6).toString("hex")}:`;
  const opened: Isolate[] = [];
  const open = (): Isolate => {
    const { token } = store.bridge;
    const isolate = contestant.open({ url: front.url, token, keyPrefix, rule, onStoreFailure });
    opened.push(isolate);
    return isolate;
  };
  const isolates = Array.from({ length: plan.isolates }, open);
  const stage: Stage = {
    front,
    isolates,
    replace: (index) => {
      isolates[index] = open();
    },
  };
  const count = async (): Promise<{ trips: number; commands: number }> => ({
    trips: front.trips,
    commands: await store.commands(),
  });
  let before = count();
  let after = before;
  const moments: Moment[] = [
    ...(plan.moments?.(stage) ?? []),
    { atMs: warmMs, run: () => (before = count()) },
    { atMs: untilMs, run: () => (after = count()) },
  ];
  try {
    const ask = ({ key, isolate, cost }: Arrival) => {
      const met = isolates[isolate];
      if (met === undefined) throw new RangeError(`there is no isolate ${isolate}`);
      return met.ask(key, cost);
    };
    await untilBeforeEdge(plan, signal);
    const told = await drive({ arrivals, ask, moments, untilMs, signal });
    front.release();
    await Promise.all(opened.map((isolate) => isolate.settled()));
    const [from, to] = await Promise.all([before, after]);
    return {
      told,
      measured: told.filter(({ arrival }) => arrival.dueMs >= warmMs),
      trips: to.trips - from.trips,
      commands: to.commands - from.commands,
    };
  } finally {
    await front.stop();
  }
};
