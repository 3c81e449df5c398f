/** What happens to the replicas under load, and what is read from the results. The first replica is the faulty one. */
import { hasKey, KEYED, KEYLESS, PER_SECOND } from "./load.ts";
import {
  allAttemptsWithin,
  duplicates,
  fairShareOf,
  firstSecond,
  highestRate,
  type Observation,
  type Seen,
  type Span,
  seenWithin,
  shareOf,
} from "./observation.ts";
import type { Contestant } from "./proxies.ts";
import type { Mode } from "./replica.ts";

export interface Step {
  /** After the beginning of the load. */
  readonly afterMs: number;
  readonly replicas: readonly number[];
  readonly mode: Mode;
}

export interface Scenario {
  readonly title: string;
  /** Number of replicas. */
  readonly replicas: number;
  /** @default false */
  readonly isWriting?: boolean;
  readonly steps: readonly Step[];
  readonly lastsMs: number;
  /** Values by the titles of their columns, in the order of the columns. */
  readonly read: (observation: Observation) => Readonly<Record<string, number>>;
}

/** How long the parts of the scenarios take, milliseconds. */
interface Lengths {
  /** Without a fault, and not counted. */
  readonly warmUpMs: number;
  /** With the fault, and not counted yet. */
  readonly settleMs: number;
  readonly measureMs: number;
  readonly awayMs: number;
  readonly outageMs: number;
  /** Before the outage, for comparison. */
  readonly calmMs: number;
}

const FULL: Lengths = {
  warmUpMs: 1_000,
  settleMs: 1_500,
  measureMs: 4_000,
  awayMs: 4_000,
  outageMs: 4_000,
  calmMs: 5_000,
};
const QUICK: Lengths = {
  warmUpMs: 600,
  settleMs: 900,
  measureMs: 1_800,
  awayMs: 1_000,
  outageMs: 2_000,
  calmMs: 1_000,
};

const FAST_SHARE_AFTER_MS = 2_000;
const AFTER_RECOVERY_MS = 15_000;
const RECOVERY_WINDOW_MS = 1_000;
const AFTER_OUTAGE_MS = 5_000;
/** The share of successful responses from which the service is back. */
const IS_BACK = 0.95;
const HALF = 0.5;
/** In shorter windows most of a surge is the arrivals' own chance. */
const SURGE_WINDOW_MS = 1_000;
/** How long the load continues after the evaluated time. */
const REST_MS = 200;

const seenColumns = ({ sent, errors, p50Ms, p99Ms, lagP99Ms }: Seen) => ({
  "p50 ms": p50Ms,
  "p99 ms": p99Ms,
  errors,
  "errors %": (100 * errors) / sent,
  "sent late, p99 ms": lagP99Ms,
});

const after = ({ stepsAtMs }: Observation, step: number, delayMs: number, lastsMs: number): Span => {
  const fromMs = (stepsAtMs[step] ?? Number.NaN) + delayMs;
  return { fromMs, toMs: fromMs + lastsMs };
};

/** A time that begins before the first step. */
const fromBegin = ({ trace }: Observation, delayMs: number, lastsMs: number): Span => {
  const fromMs = (trace.dueAtMs[0] ?? Number.NaN) + delayMs;
  return { fromMs, toMs: fromMs + lastsMs };
};

const calm = (replicas: number, { warmUpMs, measureMs }: Lengths): Scenario => ({
  title: `calm: ${replicas} replicas that are well`,
  replicas,
  steps: [],
  lastsMs: warmUpMs + measureMs,
  read: (observation) => seenColumns(seenWithin(observation, fromBegin(observation, warmUpMs, measureMs))),
});

/** One replica has the fault until the end; the first time with it is not counted. */
const ill = (
  title: string,
  replicas: number,
  mode: Mode,
  { warmUpMs, measureMs }: Lengths,
  settleMs: number,
): Scenario => ({
  title,
  replicas,
  steps: [{ afterMs: warmUpMs, replicas: [0], mode }],
  lastsMs: warmUpMs + settleMs + measureMs + REST_MS,
  read: (observation) => {
    const span = after(observation, 0, settleMs, measureMs);
    return { ...seenColumns(seenWithin(observation, span)), "its share": shareOf(observation, 0, span) };
  },
});

const slow = (replicas: number, lengths: Lengths): Scenario =>
  ill(`slow: one of ${replicas} takes 200 ms`, replicas, "slow", lengths, lengths.settleMs);

const hole = (lengths: Lengths): Scenario =>
  ill("hole: one of 4 takes requests and never answers", 4, "hole", lengths, 0);

const midbody = (lengths: Lengths): Scenario =>
  ill("midbody: one of 4 breaks off in the middle of its answers", 4, "midbody", lengths, 0);

const fast503 = ({ warmUpMs, measureMs }: Lengths): Scenario => {
  const lastsMs = FAST_SHARE_AFTER_MS + measureMs;
  return {
    title: "fast503: one of 4 answers 503 at once",
    replicas: 4,
    steps: [{ afterMs: warmUpMs, replicas: [0], mode: "fast503" }],
    lastsMs: warmUpMs + lastsMs + REST_MS,
    read: (observation) => ({
      ...seenColumns(seenWithin(observation, after(observation, 0, 0, lastsMs))),
      "its share after 2 s": shareOf(
        observation,
        0,
        after(observation, 0, FAST_SHARE_AFTER_MS, lastsMs - FAST_SHARE_AFTER_MS),
      ),
    }),
  };
};

const RECOVERIES = {
  refuse: "refuses connections",
  fast503: "answers 503 at once",
  slow: "takes 200 ms",
} as const;

const recover = (mode: keyof typeof RECOVERIES, { warmUpMs, awayMs }: Lengths): Scenario => ({
  title: `recover: one of 4 ${RECOVERIES[mode]} for ${awayMs / 1_000} s, then is well`,
  replicas: 4,
  steps: [
    { afterMs: warmUpMs, replicas: [0], mode },
    { afterMs: warmUpMs + awayMs, replicas: [0], mode: "ok" },
  ],
  lastsMs: warmUpMs + awayMs + AFTER_RECOVERY_MS + RECOVERY_WINDOW_MS + REST_MS,
  read: (observation) => {
    const all = after(observation, 1, 0, AFTER_RECOVERY_MS + RECOVERY_WINDOW_MS);
    const halfMs = firstSecond(all, (second) => fairShareOf(observation, 0, second) >= HALF);
    const around = after(observation, 1, AFTER_RECOVERY_MS - RECOVERY_WINDOW_MS, 2 * RECOVERY_WINDOW_MS);
    const whole = { fromMs: after(observation, 0, 0, 0).fromMs, toMs: all.toMs };
    return {
      ...seenColumns(seenWithin(observation, whole)),
      "of its fair share after 15 s": fairShareOf(observation, 0, around),
      "half of it after ms": halfMs,
    };
  },
});

const posts = ({ warmUpMs, measureMs }: Lengths): Scenario => ({
  title: "posts: one of 4 reads POSTs, and resets the connection",
  replicas: 4,
  isWriting: true,
  steps: [{ afterMs: warmUpMs, replicas: [0], mode: "reset" }],
  lastsMs: warmUpMs + measureMs + REST_MS,
  read: (observation) => {
    const span = after(observation, 0, 0, measureMs);
    const errors = (isKeyed: boolean): number =>
      seenWithin(observation, span, (index) => hasKey(index) === isKeyed).errors;
    return {
      ...seenColumns(seenWithin(observation, span)),
      "errors without a key": errors(false),
      "errors with a key": errors(true),
      "sent twice without a key": duplicates(observation, KEYLESS),
      "sent twice with a key": duplicates(observation, KEYED),
    };
  },
});

const OUTAGES = { reset: "reset connections", fast503: "answer 503 at once" } as const;

const outage = (mode: keyof typeof OUTAGES, { warmUpMs, calmMs, outageMs }: Lengths): Scenario => {
  const all = [0, 1, 2, 3];
  return {
    title: `outage: all 4 ${OUTAGES[mode]} for ${outageMs / 1_000} s, then are well`,
    replicas: 4,
    steps: [
      { afterMs: warmUpMs + calmMs, replicas: all, mode },
      { afterMs: warmUpMs + calmMs + outageMs, replicas: all, mode: "ok" },
    ],
    lastsMs: warmUpMs + calmMs + outageMs + AFTER_OUTAGE_MS + 1_000 + REST_MS,
    read: (observation) => {
      const [beganMs = Number.NaN, endedMs = Number.NaN] = observation.stepsAtMs;
      const during = { fromMs: beganMs, toMs: endedMs };
      const behind = { fromMs: endedMs, toMs: endedMs + AFTER_OUTAGE_MS };
      const normal = PER_SECOND / all.length;
      const calmSpan = fromBegin(observation, warmUpMs, calmMs);
      const backMs = firstSecond({ ...behind, toMs: behind.toMs + 1_000 }, (second) => {
        const { sent, errors } = seenWithin(observation, second);
        return sent - errors >= IS_BACK * sent;
      });
      return {
        "attempts a request": allAttemptsWithin(observation, during) / seenWithin(observation, during).sent,
        "back after ms": backMs,
        "surge ÷ normal": highestRate(observation, behind, SURGE_WINDOW_MS) / normal,
        "in half a second": highestRate(observation, behind, SURGE_WINDOW_MS / 2) / normal,
        "the same when calm": highestRate(observation, calmSpan, SURGE_WINDOW_MS) / normal,
        "in half a second when calm": highestRate(observation, calmSpan, SURGE_WINDOW_MS / 2) / normal,
        "errors after it": seenWithin(observation, behind).errors,
      };
    },
  };
};

export interface Entry {
  readonly scenario: Scenario;
  readonly rounds: number;
  readonly isFor: (contestant: Contestant) => boolean;
}

/** By the names from which figures are taken. */
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
