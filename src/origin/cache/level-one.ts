/** The first level: this process' own memory, bounded in entries and in bytes. */
import { LRUCache } from "lru-cache";
import type { Problem } from "../../contract/problem.ts";
import type { CacheSize } from "../config/kind.ts";
import { type CachedAnswer, sizeOf } from "./cached-answer.ts";

/** That there is nothing, as found at some time. */
export interface CachedAbsence {
  readonly problem: Problem;
  /** Epoch milliseconds. */
  readonly foundAtMs: number;
  readonly untilMs: number;
  /** The moment at which it began to be found out. */
  readonly madeAt: number;
}

export interface Held {
  readonly answer: CachedAnswer;
  /** The moment at which it began to be made, see `core/cache/invalidations.ts`. */
  readonly madeAt: number;
}

export interface LevelOne {
  get(key: string): Held | undefined;
  set(key: string, held: Held): void;
  remove(key: string): void;
  absence(key: string): CachedAbsence | undefined;
  setAbsence(key: string, absence: CachedAbsence): void;
  removeAbsence(key: string): void;
  usage(): { readonly entries: number; readonly bytes: number };
}

/** Where only entries are counted, they may not take more than this together, bytes. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Guesses have a room of their own, so that they cannot push out what is there. */
const MAX_ABSENCES = 1_000;

export const createLevelOne = (size: CacheSize): LevelOne => {
  const answers = new LRUCache<string, Held>({
    ...("entries" in size ? { max: size.entries, maxSize: MAX_BYTES } : { maxSize: size.bytes }),
    sizeCalculation: ({ answer }, key) => sizeOf(answer) + 2 * key.length,
  });
  const absences = new LRUCache<string, CachedAbsence>({ max: MAX_ABSENCES });
  return {
    get: (key) => answers.get(key),
    set: (key, held) => void answers.set(key, held),
    remove: (key) => void answers.delete(key),
    absence: (key) => absences.get(key),
    setAbsence: (key, absence) => void absences.set(key, absence),
    removeAbsence: (key) => void absences.delete(key),
    usage: () => ({ entries: answers.size, bytes: answers.calculatedSize }),
  };
};
