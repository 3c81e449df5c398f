/** The faults of the replicas under load, and the figures of each scenario. The first of the four replicas is the faulty one. */
import { hasKey, KEYLESS, PER_SECOND } from "./load.ts";
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
import type { Mode } from "./replica.ts";

export interface Step {
  /** After the beginning of the load. */
  readonly afterMs: number;
  readonly replicas: readonly number[];
  readonly mode: Mode;
}

export interface Scenario {
  readonly title: string;
  /** @default false */
  readonly isWriting?: boolean;
  readonly steps: readonly Step[];
  readonly lastsMs: number;
  /** Values by the titles of their columns, in the order of the columns. */
  readonly read: (observation: Observation) => Readonly<Record<string, number>>;
}

/** Durations of the scenarios' parts, milliseconds. */
interface Lengths {
  /** Without a fault, and not counted. */
  readonly warmUpMs: number;
  /** With the fault, and not counted yet. */
  readonly settleMs: number;
  readonly measureMs: number;
  /** The length of an outage or of a recovery. */
  readonly awayMs: number;
}

const FULL: Lengths = { warmUpMs: 1_000, settleMs: 1_500, measureMs: 4_000, awayMs: 4_000 };
const QUICK: Lengths = { warmUpMs: 600, settleMs: 900, measureMs: 1_800, awayMs: 2_000 };

const FAST_SHARE_AFTER_MS = 2_000;
const AFTER_RECOVERY_MS = 15_000;
const RECOVERY_WINDOW_MS = 1_000;
const AFTER_OUTAGE_MS = 5_000;
/** The share of successful responses from which the service is back. */
const IS_BACK = 0.95;
/** In shorter windows most of a surge is chance. */
const SURGE_WINDOW_MS = 1_000;
/** Load after the evaluated time. */
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

/** One replica has the fault until the end; the first time with it is not counted. */
const faulty = (title: string, mode: Mode, { warmUpMs, measureMs }: Lengths, settleMs = 0): Scenario => ({
  title,
  steps: [{ afterMs: warmUpMs, replicas: [0], mode }],
  lastsMs: warmUpMs + settleMs + measureMs + REST_MS,
  read: (observation) => {
    const span = after(observation, 0, settleMs, measureMs);
    return { ...seenColumns(seenWithin(observation, span)), "its share": shareOf(observation, 0, span) };
  },
});

const slow = (lengths: Lengths): Scenario =>
  faulty("slow: one of 4 takes 200 ms", "slow", lengths, lengths.settleMs);

const fast503 = ({ warmUpMs, measureMs }: Lengths): Scenario => {
  const lastsMs = FAST_SHARE_AFTER_MS + measureMs;
  return {
    title: "fast503: one of 4 responds 503 at once",
    steps: [{ afterMs: warmUpMs, replicas: [0], mode: "fast503" }],
    lastsMs: warmUpMs + lastsMs + REST_MS,
    read: (observation) => ({
      ...seenColumns(seenWithin(observation, after(observation, 0, 0, lastsMs))),
      "its share after 2 s": shareOf(observation, 0, after(observation, 0, FAST_SHARE_AFTER_MS, measureMs)),
    }),
  };
};

const RECOVERIES = {
  refuse: "refuses connections",
  fast503: "responds 503 at once",
  slow: "takes 200 ms",
} as const;

const recover = (mode: keyof typeof RECOVERIES, { warmUpMs, awayMs }: Lengths): Scenario => ({
  title: `recover: one of 4 ${RECOVERIES[mode]} for ${awayMs / 1_000} s`,
  steps: [
    { afterMs: warmUpMs, replicas: [0], mode },
    { afterMs: warmUpMs + awayMs, replicas: [0], mode: "ok" },
  ],
  lastsMs: warmUpMs + awayMs + AFTER_RECOVERY_MS + RECOVERY_WINDOW_MS + REST_MS,
  read: (observation) => {
    const { toMs } = after(observation, 1, AFTER_RECOVERY_MS, RECOVERY_WINDOW_MS);
    const whole = { fromMs: after(observation, 0, 0, 0).fromMs, toMs };
    const around = { fromMs: toMs - 2 * RECOVERY_WINDOW_MS, toMs };
    return {
      ...seenColumns(seenWithin(observation, whole)),
      "of its fair share after 15 s": fairShareOf(observation, 0, around),
    };
  },
});

const posts = ({ warmUpMs, measureMs }: Lengths): Scenario => ({
  title: "posts: one of 4 reads POSTs, and resets the connection",
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
    };
  },
});

const OUTAGES = { reset: "reset connections", fast503: "respond 503 at once" } as const;

const outage = (mode: keyof typeof OUTAGES, { warmUpMs, awayMs }: Lengths): Scenario => {
  const all = [0, 1, 2, 3];
  return {
    title: `outage: all 4 ${OUTAGES[mode]} for ${awayMs / 1_000} s`,
    steps: [
      { afterMs: warmUpMs, replicas: all, mode },
      { afterMs: warmUpMs + awayMs, replicas: all, mode: "ok" },
    ],
    lastsMs: warmUpMs + awayMs + AFTER_OUTAGE_MS + 1_000 + REST_MS,
    read: (observation) => {
      const [beganMs = Number.NaN, endedMs = Number.NaN] = observation.stepsAtMs;
      const during = { fromMs: beganMs, toMs: endedMs };
      const behind = { fromMs: endedMs, toMs: endedMs + AFTER_OUTAGE_MS };
      const backMs = firstSecond({ ...behind, toMs: behind.toMs + 1_000 }, (second) => {
        const { sent, errors } = seenWithin(observation, second);
        return sent - errors >= IS_BACK * sent;
      });
      return {
        "attempts a request": allAttemptsWithin(observation, during) / seenWithin(observation, during).sent,
        "back after ms": backMs,
        "surge ÷ normal": highestRate(observation, behind, SURGE_WINDOW_MS) / (PER_SECOND / all.length),
        "errors after it": seenWithin(observation, behind).errors,
      };
    },
  };
};

export interface Entry {
  readonly scenario: Scenario;
  /** @default 1 */
  readonly rounds?: number;
  /** Whether the proxies are not measured. @default false */
  readonly isOursOnly?: boolean;
}

/** By the names from which figures are taken. */
export type Plan = Readonly<Record<string, Entry>>;

export const QUICK_PLAN: Plan = {
  slow: { scenario: slow(QUICK) },
  fast503: { scenario: fast503(QUICK), isOursOnly: true },
  outage: { scenario: outage("reset", QUICK), isOursOnly: true },
  recover: { scenario: recover("refuse", QUICK), isOursOnly: true },
};

export const FULL_PLAN: Plan = {
  slow: { scenario: slow(FULL), rounds: 2 },
  fast503: { scenario: fast503(FULL) },
  hole: { scenario: faulty("hole: one of 4 accepts requests and never responds", "hole", FULL) },
  midbody: { scenario: faulty("midbody: one of 4 breaks off in the middle of responses", "midbody", FULL) },
  posts: { scenario: posts(FULL) },
  outage: { scenario: outage("reset", FULL) },
  outage503: { scenario: outage("fast503", FULL) },
  recover: { scenario: recover("refuse", FULL) },
  recover503: { scenario: recover("fast503", FULL) },
  recoverSlow: { scenario: recover("slow", FULL) },
};
