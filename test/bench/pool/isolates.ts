/**
 * Many isolates in front of the same few origins, each with a small part of the requests: a simulation in virtual time,
 * because no machine runs four hundred. Origins are queues, and one is much slower than the others.
 */
import { Agenda } from "../../resilience/concurrency-limit/support/agenda.ts";
import { exponential, seededRandom } from "../../resilience/concurrency-limit/support/random.ts";
import { median, percentile } from "../support/statistics.ts";
import { textTable } from "../support/table.ts";
import { type Chooser, createChooser } from "./isolate-chooser.ts";
import { createOrigin, type Job } from "./simulated-origin.ts";

const PER_SECOND = 2_000;
const ORIGINS = 4;
/** Requests that an origin serves at a time. */
const SLOTS = 5;
/** Means of exponential distributions; the first origin is the slow one. */
const SERVICE_MS = 5;
const SLOW_SERVICE_MS = 200;
const WARM_UP_MS = 60_000;
const MEASURE_MS = 20_000;
const DEADLINE_MS = 2_000;
/** The start of the simulation's clock: no epoch, but not zero either. */
const BEGIN_MS = 1_000_000;

/** For the report. */
export const SIMULATION_CONDITIONS = `simulated: ${PER_SECOND} requests/s over ${ORIGINS} queues of ${SLOTS} slots, ${SERVICE_MS} ms (one: ${SLOW_SERVICE_MS} ms) of exponential service; the first minute is not counted`;

interface SimulationResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Without a response within the deadline. */
  readonly errors: number;
  /** The slow origin's share of all attempts. */
  readonly slowShare: number;
}

const simulate = (isolates: number, seed: number): SimulationResult => {
  const random = seededRandom(seed);
  const events = new Agenda(BEGIN_MS);
  const origins = Array.from({ length: ORIGINS }, (_, index) =>
    createOrigin(SLOTS, () => exponential(random) * (index === 0 ? SLOW_SERVICE_MS : SERVICE_MS), events),
  );
  const measuredFromMs = BEGIN_MS + WARM_UP_MS;
  const untilMs = measuredFromMs + MEASURE_MS;
  const latencies: number[] = [];
  const attempts = new Float64Array(ORIGINS);
  let errors = 0;

  const send = (origin: number, done: () => void): Job => {
    if (events.nowMs >= measuredFromMs) attempts[origin] = (attempts[origin] ?? 0) + 1;
    const job: Job = { done, state: "waiting" };
    origins[origin]?.add(job);
    return job;
  };
  const cancel = (origin: number, job: Job): void => origins[origin]?.cancel(job);
  const surroundings = { events, random, send, cancel, deadlineMs: DEADLINE_MS };
  const choosers: (Chooser | undefined)[] = Array.from({ length: isolates });

  const arrive = (): void => {
    const isolate = Math.floor(random() * isolates);
    choosers[isolate] ??= createChooser(ORIGINS, surroundings);
    const startedMs = events.nowMs;
    choosers[isolate]?.request((isAnswered) => {
      if (startedMs < measuredFromMs) return;
      if (isAnswered) latencies.push(events.nowMs - startedMs);
      else errors += 1;
    });
    const nextMs = startedMs + (exponential(random) * 1_000) / PER_SECOND;
    if (nextMs < untilMs) events.at(nextMs, arrive);
  };
  events.at(BEGIN_MS, arrive);
  events.runUntil(Number.POSITIVE_INFINITY);

  return {
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    errors,
    slowShare: (attempts[0] ?? 0) / attempts.reduce((sum, each) => sum + each, 0),
  };
};

/** All requests in one isolate, and spread over as many as a location of the platform may have. */
const ISOLATES = [1, 400] as const;

export interface IsolateCell extends SimulationResult {
  readonly isolates: number;
}

/** Medians of the seeds. */
export const measureIsolates = (seeds: readonly number[]): IsolateCell[] =>
  ISOLATES.map((isolates) => {
    const results = seeds.map((seed) => simulate(isolates, seed));
    return {
      isolates,
      p50Ms: median(results.map(({ p50Ms }) => p50Ms)),
      p99Ms: median(results.map(({ p99Ms }) => p99Ms)),
      errors: median(results.map(({ errors }) => errors)),
      slowShare: median(results.map(({ slowShare }) => slowShare)),
    };
  });

/** The p99 of 400 isolates as a multiple of one's. */
export const p99Ratio = ([one, many]: readonly IsolateCell[]): number =>
  (many?.p99Ms ?? Number.NaN) / (one?.p99Ms ?? Number.NaN);

export const isolateTable = (cells: readonly IsolateCell[]): string =>
  textTable(
    ["isolates, simulated", "p50 ms", "p99 ms", "errors", "slow one's share"],
    cells.map(({ isolates, p50Ms, p99Ms, errors, slowShare }) => [
      String(isolates),
      p50Ms.toFixed(1),
      p99Ms.toFixed(1),
      String(errors),
      slowShare.toFixed(3),
    ]),
  );
