/** Background jobs of an API, declared in `src/origin/api/jobs.ts`. */
import { Cron } from "croner";
import { type Duration, durationMs, parseDuration } from "../../contract/duration.ts";
import type { Database } from "../db/database.ts";
import type { Services } from "../handler.ts";

/** Bound to one run of the job. */
export interface JobServices extends Pick<Services, "log" | "fetch" | "settings"> {
  /** Each statement ends with the run. */
  readonly database: Database;
  /** Aborts at the job's timeout, when the process has no more time to stop, or when another process may run the job. */
  readonly signal: AbortSignal;
}

interface CommonJob {
  /** Lower-case letters, digits and hyphens; a label in telemetry. */
  readonly name: string;
  /** The longest run. */
  readonly timeout: Duration;
  /** Throwing is a failed run; the next one is as scheduled. A run whose process is lost starts again elsewhere. */
  run(services: JobServices): Promise<void>;
}

/** Runs in one process of all origins at a time. */
export type BackgroundJob = CommonJob &
  (
    | {
        /** From the start of one run to the start of the next, at least `1s`. */
        readonly every: Duration;
      }
    | {
        /** In UTC: `0 3 * * *` is every day at 3:00. */
        readonly cron: string;
      }
  );

/** An invalid declaration; thrown while the process starts. */
export class JobError extends Error {}

const NAME = /^[a-z][a-z0-9-]{0,62}$/;
const MIN_INTERVAL_MS = 1_000;

/** @throws JobError that names what is wrong */
export const checkJobs = (jobs: readonly BackgroundJob[]): void => {
  for (const job of jobs) {
    const refuse = (why: string): never => {
      throw new JobError(`the background job ${JSON.stringify(job.name)} ${why}`);
    };
    if (!NAME.test(job.name)) refuse("must be named with lower-case letters, digits and hyphens");
    if (jobs.filter(({ name }) => name === job.name).length > 1) refuse("is declared twice");
    if (!(Number(parseDuration(job.timeout)) > 0)) refuse("needs a timeout such as 30s");
    if ("every" in job && !(Number(parseDuration(job.every)) >= MIN_INTERVAL_MS))
      refuse("needs an interval from 1s, such as 5m");
    try {
      nextRun(job, 0);
    } catch (error) {
      refuse(`has a wrong schedule: ${error instanceof Error ? error.message : error}`);
    }
  }
};

export const scheduleOf = (job: BackgroundJob): string => ("cron" in job ? job.cron : `every ${job.every}`);

/** @param startedMs of the run before, epoch milliseconds @returns epoch milliseconds */
export const nextRun = (job: BackgroundJob, startedMs: number): number => {
  if ("every" in job) return startedMs + durationMs(job.every);
  const next = new Cron(job.cron, { timezone: "UTC", paused: true }).nextRun(new Date(startedMs));
  if (next === null) throw new JobError("it never runs");
  return next.getTime();
};
