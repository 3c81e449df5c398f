/** The scenarios. The first replica is the one that falls ill. */
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
import type { Mode } from "./replica.ts";
import type { Scenario } from "./scenario.ts";

/** How long the parts of the scenarios take, milliseconds. */
export interface Lengths {
  /** All is well, and nothing is counted. */
  readonly warmUpMs: number;
  /** The fault is there, and not counted yet. */
  readonly settleMs: number;
  readonly measureMs: number;
  readonly awayMs: number;
  readonly outageMs: number;
  /** Before the outage, for comparison. */
  readonly calmMs: number;
}

export const FULL: Lengths = {
  warmUpMs: 1_000,
  settleMs: 1_500,
  measureMs: 4_000,
  awayMs: 4_000,
  outageMs: 4_000,
  calmMs: 5_000,
};
export const QUICK: Lengths = {
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
/** Of the answers that are due. */
const IS_BACK = 0.95;
const HALF = 0.5;
/** A rate is one of requests a second; in shorter windows the arrivals' own chance is most of what is seen. */
const SURGE_WINDOW_MS = 1_000;
/** The load goes on for so long after what is looked at. */
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

/** The same from an early moment on, where there is no step before it. */
const fromBegin = ({ trace }: Observation, delayMs: number, lastsMs: number): Span => {
  const fromMs = (trace.dueAtMs[0] ?? Number.NaN) + delayMs;
  return { fromMs, toMs: fromMs + lastsMs };
};

export const calm = (replicas: number, { warmUpMs, measureMs }: Lengths): Scenario => ({
  title: `calm: ${replicas} replicas that are well`,
  replicas,
  isWriting: false,
  steps: [],
  lastsMs: warmUpMs + measureMs,
  read: (observation) => seenColumns(seenWithin(observation, fromBegin(observation, warmUpMs, measureMs))),
});

/** One replica is ill until the end; what is counted begins a while after. */
const ill = (
  title: string,
  replicas: number,
  mode: Mode,
  { warmUpMs, measureMs }: Lengths,
  settleMs: number,
): Scenario => ({
  title,
  replicas,
  isWriting: false,
  steps: [{ afterMs: warmUpMs, replicas: [0], mode }],
  lastsMs: warmUpMs + settleMs + measureMs + REST_MS,
  read: (observation) => {
    const span = after(observation, 0, settleMs, measureMs);
    return { ...seenColumns(seenWithin(observation, span)), "its share": shareOf(observation, 0, span) };
  },
});

export const slow = (replicas: number, lengths: Lengths): Scenario =>
  ill(`slow: one of ${replicas} takes 200 ms`, replicas, "slow", lengths, lengths.settleMs);

export const hole = (lengths: Lengths): Scenario =>
  ill("hole: one of 4 takes requests and never answers", 4, "hole", lengths, 0);

export const midbody = (lengths: Lengths): Scenario =>
  ill("midbody: one of 4 breaks off in the middle of its answers", 4, "midbody", lengths, 0);

export const fast503 = ({ warmUpMs, measureMs }: Lengths): Scenario => {
  const lastsMs = FAST_SHARE_AFTER_MS + measureMs;
  return {
    title: "fast503: one of 4 answers 503 at once",
    replicas: 4,
    isWriting: false,
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
export type Recovery = keyof typeof RECOVERIES;

export const recover = (mode: Recovery, { warmUpMs, awayMs }: Lengths): Scenario => ({
  title: `recover: one of 4 ${RECOVERIES[mode]} for ${awayMs / 1_000} s, then is well`,
  replicas: 4,
  isWriting: false,
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

export const posts = ({ warmUpMs, measureMs }: Lengths): Scenario => ({
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
export type Outage = keyof typeof OUTAGES;

export const outage = (mode: Outage, { warmUpMs, calmMs, outageMs }: Lengths): Scenario => {
  const all = [0, 1, 2, 3];
  return {
    title: `outage: all 4 ${OUTAGES[mode]} for ${outageMs / 1_000} s, then are well`,
    replicas: 4,
    isWriting: false,
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
