/** Makes an answer for all who wait: takes another origin's from the second level, or has its own made and kept. */
import { isProblem, type Problem } from "../../contract/problem.ts";
import { lifetimeMs, usabilityOf } from "../../middleware/response-cache/freshness.ts";
import type { Answer } from "../http/response.ts";
import type { CacheRequest } from "./answer-cache.ts";
import { answerOf, type CachedAnswer } from "./cached-answer.ts";
import { LEASE_MS, type LevelTwo, type Owned } from "./level-two.ts";

export interface Made {
  readonly answer: Answer | Problem;
  /** The answer as it was found; undefined where it was made. */
  readonly held: CachedAnswer | undefined;
  readonly stored: boolean;
}

export interface Keeping {
  /** What the first level has. */
  readonly held: () => CachedAnswer | undefined;
  readonly ageOf: (answer: CachedAnswer) => number;
  /** As it is to be kept; undefined for one that may not be. @param madeFromMs when it began to be made */
  readonly kept: (answer: Answer, madeFromMs: number) => CachedAnswer | undefined;
  readonly keep: (answer: CachedAnswer) => void;
  readonly keepAbsence: (problem: Problem) => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** How often it is looked whether another origin has made the answer, milliseconds. */
const LOOK_INTERVAL_MS = 25;
const MAX_LOOKS = Math.ceil(LEASE_MS / LOOK_INTERVAL_MS);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const found = (held: CachedAnswer): Made => ({ answer: answerOf(held), held, stored: false });

/**
 * Looks at the second level until there is an answer to be used, or this process is the one to make it.
 *
 * @returns the answer, or what the tags' versions were before it is made; undefined where there is no second level
 */
const settleOwner = async (
  { key, tags, maxAgeMs }: CacheRequest,
  levelTwo: LevelTwo,
  { held, ageOf, keep }: Keeping,
): Promise<CachedAnswer | Owned | undefined> => {
  for (let looks = 0; looks < MAX_LOOKS; looks += 1) {
    const look = await levelTwo.look(key, tags);
    if (look === undefined) return undefined;
    const { lease, answer } = look;
    if (answer !== undefined) keep(answer);
    const present = held();
    const isUsable = present !== undefined && ageOf(present) < maxAgeMs;
    const usability = isUsable ? usabilityOf(ageOf(present), present.windows) : "gone";
    const isEnough = usability === "fresh" || (usability === "revalidate" && lease === undefined);
    if (lease !== undefined && isEnough) levelTwo.release(key, lease);
    if (present !== undefined && isEnough) return present;
    if (lease !== undefined) return { ...look, lease };
    await pause(LOOK_INTERVAL_MS);
  }
  return undefined;
};

/** @param abandoned resolves when nobody waits for it any more */
export const makeAnswer = async (
  request: CacheRequest,
  abandoned: Promise<void>,
  levelTwo: LevelTwo,
  keeping: Keeping,
): Promise<Made> => {
  const settled = await settleOwner(request, levelTwo, keeping);
  if (settled !== undefined && "generatedAtMs" in settled) return found(settled);
  const madeFromMs = keeping.now();
  let kept: CachedAnswer | undefined;
  try {
    const answer = await request.make(abandoned);
    if (isProblem(answer)) {
      if (answer.code === "not_found") {
        keeping.keepAbsence(answer);
        levelTwo.remove(request.key);
      }
      return { answer, held: undefined, stored: false };
    }
    kept = keeping.kept(answer, madeFromMs);
    if (kept === undefined) return { answer, held: undefined, stored: false };
    keeping.keep(kept);
    return { answer: answerOf(kept), held: undefined, stored: true };
  } finally {
    if (settled !== undefined && kept !== undefined)
      levelTwo.store(request.key, kept, settled, lifetimeMs(kept.windows));
    else if (settled !== undefined) levelTwo.release(request.key, settled.lease);
  }
};
