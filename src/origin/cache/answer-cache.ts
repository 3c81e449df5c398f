/**
 * Answers of cacheable routes, kept on two levels. What is fresh is used; what is stale is used while a newer one is
 * made in the background; what is older still, only where none can be made. However many ask, one makes it.
 */
import { isProblem, type Problem, statusOf } from "../../contract/problem.ts";
import { withTimeout } from "../../lib/async.ts";
import type { CacheStatus } from "../../middleware/response-cache/cache-status.ts";
import { type CacheWindows, jittered, usabilityOf } from "../../middleware/response-cache/freshness.ts";
import { createInvalidations } from "../../middleware/response-cache/invalidations.ts";
import type { CacheOutcome } from "../../middleware/response-cache/outcome.ts";
import { SingleFlight } from "../../resilience/single-flight.ts";
import type { Scope } from "../db/database.ts";
import { untilEnd } from "../db/until-end.ts";
import type { Answer } from "../http/response.ts";
import { ProblemError } from "../middleware/error-handler.ts";
import { answerOf, type CachedAnswer, keptPart } from "./cached-answer.ts";
import { createFlights, type Flight } from "./flights.ts";
import type { CachedAbsence, Held, LevelOne } from "./level-one.ts";
import { LEASE_MS, type LevelTwo } from "./level-two.ts";
import { type Made, makeAnswer } from "./make-answer.ts";

export interface CacheRequest {
  /** Of what is asked for: equal keys are answered the same. */
  readonly key: string;
  readonly tags: readonly string[];
  readonly windows: CacheWindows;
  /** Only a younger answer is wanted, milliseconds. */
  readonly maxAgeMs: number;
  /** Makes the answer, for whoever waits for it. @param abandoned resolves when nobody does any more */
  readonly make: (abandoned: Promise<void>) => Promise<Answer | Problem>;
}

export interface CacheResult {
  readonly answer: Answer | Problem;
  readonly status: CacheStatus;
  /** How old the answer is at most, whole seconds; undefined for one that was made for this request. */
  readonly ageS?: number;
  readonly outcome: CacheOutcome;
}

export interface AnswerCache {
  /** What there is to be used at once; undefined where the answer has to be waited for. */
  ready(request: CacheRequest): CacheResult | undefined;
  /** @throws what making the answer throws, where there is nothing else to use */
  wait(request: CacheRequest, scope: Scope): Promise<CacheResult>;
  /**
   * From now on nothing is used that was made before under one of the tags, but where no answer can be made at all:
   * then it is better than nothing, and marked.
   */
  invalidate(tags: readonly string[]): void;
  usage(): { readonly entries: number; readonly bytes: number };
}

export interface AnswerCacheDependencies {
  readonly levelOne: LevelOne;
  readonly levelTwo: LevelTwo;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
}

/** For so long a newer answer is waited for where a stale one could be used in its place, milliseconds. */
const STALE_PATIENCE_MS = LEASE_MS;
/** So long before a request's own end something is to be used in the place of what has not come, milliseconds. */
const LAST_MOMENT_MS = 50;
/** That there is nothing is believed for so long at most, milliseconds. */
const MAX_ABSENCE_MS = 5_000;

/** Another try may be answered: what a client did wrong stays wrong. */
const isFailure = (status: number): boolean => status >= 500;
const statusNumber = (answer: Answer | Problem): number =>
  isProblem(answer) ? statusOf(answer) : answer.status;

export const createAnswerCache = (dependencies: AnswerCacheDependencies): AnswerCache => {
  const { levelOne, levelTwo, now, random } = dependencies;
  const invalidations = createInvalidations();
  const flights = createFlights<Made>(new SingleFlight(LEASE_MS), LEASE_MS, now);
  /** How many writes there have been: the moment of all that is made now. */
  let writes = 0;

  const ageOf = ({ generatedAtMs }: CachedAnswer): number => Math.max(0, now() - generatedAtMs);

  /** What the first level has that is not older than a write, or than is wanted. */
  const heldFor = ({ key, maxAgeMs }: CacheRequest): CachedAnswer | undefined => {
    const held = levelOne.get(key);
    if (held === undefined || invalidations.isOld(held.answer.tags, held.madeAt)) return undefined;
    return ageOf(held.answer) < maxAgeMs ? held.answer : undefined;
  };

  const absenceFor = ({ key, tags, maxAgeMs }: CacheRequest): CachedAbsence | undefined => {
    const absence = levelOne.absence(key);
    if (absence === undefined || maxAgeMs < MAX_ABSENCE_MS) return undefined;
    if (now() < absence.untilMs && !invalidations.isOld(tags, absence.madeAt)) return absence;
    levelOne.removeAbsence(key);
    return undefined;
  };

  const use = (held: CachedAnswer, status: CacheStatus, outcome: CacheOutcome): CacheResult => {
    const ageMs = ageOf(held);
    const ttlS = Math.floor((held.windows.freshMs - ageMs) / 1000);
    return { answer: answerOf(held), status: { ...status, ttlS }, ageS: Math.ceil(ageMs / 1000), outcome };
  };

  const keep = (request: CacheRequest, answer: CachedAnswer, madeAt: number): void => {
    const present: Held | undefined = levelOne.get(request.key);
    const isNewer = present === undefined || present.answer.generatedAtMs <= answer.generatedAtMs;
    const isOld = present !== undefined && invalidations.isOld(request.tags, present.madeAt);
    if ((isNewer || isOld) && !invalidations.isOld(request.tags, madeAt))
      levelOne.set(request.key, { answer, madeAt });
  };

  const keepAbsence = (request: CacheRequest, problem: Problem, madeAt: number): void => {
    const untilMs = now() + Math.min(request.windows.freshMs, MAX_ABSENCE_MS);
    levelOne.remove(request.key);
    levelOne.setAbsence(request.key, { problem, foundAtMs: now(), untilMs, madeAt });
  };

  const kept = (
    answer: Answer,
    { windows, tags }: CacheRequest,
    generatedAtMs: number,
  ): CachedAnswer | undefined => {
    const part = keptPart(answer);
    return part && { ...part, generatedAtMs, windows: jittered(windows, random()), tags };
  };

  /** @param outlivesWaiters whether it is for later, not only for those who wait */
  const begin = (request: CacheRequest, outlivesWaiters: boolean): Flight<Made> => {
    // Every try counts from the flight's beginning: what was written since is not in an answer for sure.
    const madeAt = writes;
    const keeping = {
      held: () => heldFor(request),
      ageOf,
      kept: (answer: Answer, madeFromMs: number) => kept(answer, request, madeFromMs),
      keep: (answer: CachedAnswer) => keep(request, answer, madeAt),
      keepAbsence: (problem: Problem) => keepAbsence(request, problem, madeAt),
      now,
    };
    return flights.begin({
      key: request.key,
      madeAt,
      outlivesWaiters,
      work: (abandoned) => makeAnswer(request, abandoned, levelTwo, keeping),
    });
  };

  /** The flight whose answer would be new enough. */
  const flightFor = ({ key, tags, maxAgeMs }: CacheRequest): Flight<Made> | undefined => {
    const flight = flights.get(key);
    if (flight === undefined || invalidations.isOld(tags, flight.madeAt)) return undefined;
    return now() - flight.beganAtMs < maxAgeMs ? flight : undefined;
  };

  /** For how long a flight is still worth waiting for where there is something else to use. */
  const patienceMs = ({ beganAtMs }: Flight<Made>): number =>
    Math.max(0, beganAtMs + STALE_PATIENCE_MS - now());

  /** Whether to wait for a newer answer would be in vain. */
  const isInVain = (request: CacheRequest): boolean => {
    const flight = flightFor(request);
    return flight === undefined ? flights.hasJustFailed(request.key) : patienceMs(flight) === 0;
  };

  /** Why a request is not answered by what is held (RFC 9211 §2.2). */
  const forwardOf = ({ key }: CacheRequest): "miss" | "request" | "stale" => {
    const held = levelOne.get(key)?.answer;
    if (held === undefined) return "miss";
    return usabilityOf(ageOf(held), held.windows) === "fresh" ? "request" : "stale";
  };

  const resultOf = (
    { answer, held, stored }: Made,
    collapsed: boolean,
    forward: "miss" | "request" | "stale",
  ): CacheResult =>
    held === undefined
      ? { answer, status: { forward, stored, collapsed }, outcome: "miss" }
      : usabilityOf(ageOf(held), held.windows) === "fresh"
        ? use(held, { hit: true, collapsed }, "hit")
        : use(held, { hit: true, collapsed, detail: "stale-while-revalidate" }, "stale");

  const staleOnError = (held: CachedAnswer, forwardStatus: number | undefined): CacheResult =>
    use(
      held,
      forwardStatus === undefined
        ? { hit: true, detail: "stale-if-error" }
        : { forward: "stale", forwardStatus, detail: "stale-if-error" },
      "stale_on_error",
    );

  /** What may be used where a newer answer takes too long. */
  const alternative = (request: CacheRequest): CachedAnswer | undefined => {
    const held = heldFor(request);
    return held !== undefined && usabilityOf(ageOf(held), held.windows) !== "gone" ? held : undefined;
  };

  /** What may be used where none can be made: then even what a write has made old is better than nothing. */
  const lastResort = (request: CacheRequest): CachedAnswer | undefined => {
    const held = levelOne.get(request.key)?.answer;
    const isInTime = held !== undefined && ageOf(held) < held.windows.freshMs + held.windows.staleIfErrorMs;
    return isInTime && held.windows.staleIfErrorMs > 0 ? held : alternative(request);
  };

  /** What comes of a flight; undefined where it takes longer than it is waited for with something else at hand. */
  const inTime = (
    request: CacheRequest,
    flight: Flight<Made>,
    scope: Scope,
    hasAlternative: boolean,
  ): Promise<Made | undefined> => {
    if (hasAlternative) return withTimeout(flight.result, patienceMs(flight), { fallback: undefined });
    if (lastResort(request) === undefined) return flight.result;
    return withTimeout(flight.result, Math.max(0, scope.deadlineAtMs - LAST_MOMENT_MS - now()), {
      fallback: undefined,
    });
  };

  return {
    ready: (request) => {
      const held = heldFor(request);
      if (held === undefined) {
        const absence = absenceFor(request);
        if (absence === undefined) return undefined;
        const ttlS = Math.floor((absence.untilMs - now()) / 1000);
        const ageS = Math.ceil((now() - absence.foundAtMs) / 1000);
        return { answer: absence.problem, status: { hit: true, ttlS }, ageS, outcome: "hit" };
      }
      switch (usabilityOf(ageOf(held), held.windows)) {
        case "fresh":
          return use(held, { hit: true }, "hit");
        case "revalidate":
          if (flightFor(request) === undefined && !flights.hasJustFailed(request.key)) begin(request, true);
          return use(held, { hit: true, detail: "stale-while-revalidate" }, "stale");
        case "on_error":
          return isInVain(request) ? staleOnError(held, undefined) : undefined;
        case "gone":
          return undefined;
      }
    },
    wait: async (request, scope) => {
      const underWay = flightFor(request);
      const forward = forwardOf(request);
      const hasAlternative = alternative(request) !== undefined;
      const flight = underWay ?? begin(request, hasAlternative);
      const leave = flight.join();
      try {
        const made = await untilEnd(scope, inTime(request, flight, scope, hasAlternative));
        const isFailed = made !== undefined && isFailure(statusNumber(made.answer));
        const held = made === undefined || isFailed ? lastResort(request) : undefined;
        if (held !== undefined) return staleOnError(held, made && statusNumber(made.answer));
        // Without anything else any more there is but the answer to wait for.
        return resultOf(made ?? (await untilEnd(scope, flight.result)), underWay !== undefined, forward);
      } catch (error) {
        const status = error instanceof ProblemError ? statusOf(error.problem) : 503;
        const held = isFailure(status) ? lastResort(request) : undefined;
        if (held === undefined) throw error;
        return staleOnError(held, status);
      } finally {
        leave();
      }
    },
    invalidate: (tags) => {
      writes += 1;
      // What began before this moment is old, what begins now is not.
      invalidations.note(tags, writes - 1);
      levelTwo.invalidate(tags);
    },
    usage: () => levelOne.usage(),
  };
};
