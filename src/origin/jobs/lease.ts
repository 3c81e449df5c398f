/**
 * Which process runs a job: the one that holds its row's lease. All times are PostgreSQL's, so that the clocks of the origins
 * do not matter. Works through transaction poolers, unlike a session's advisory lock.
 */
import type { Database } from "../db/database.ts";

/** A process that is lost holds a job no longer than this, milliseconds. */
export const LEASE_MS = 10_000;

const REGISTER = `INSERT INTO background_jobs AS job (name, schedule, next_at)
  VALUES ($1, $2, now() + $3 * interval '1 millisecond')
  ON CONFLICT (name) DO UPDATE SET schedule = excluded.schedule, next_at = excluded.next_at
  WHERE job.schedule <> excluded.schedule`;

const CLOCK = "SELECT extract(epoch FROM now())::float8 * 1000 AS now";

const TAKE = `UPDATE background_jobs
  SET holder = $2::uuid, held_until = now() + $3 * interval '1 millisecond'
  WHERE name = $1 AND next_at <= now() AND (held_until IS NULL OR held_until <= now())
  RETURNING extract(epoch FROM now())::float8 * 1000 AS now`;

const RENEW = `UPDATE background_jobs SET held_until = now() + $3 * interval '1 millisecond'
  WHERE name = $1 AND holder = $2::uuid RETURNING name`;

const END = `UPDATE background_jobs
  SET next_at = to_timestamp($3::float8 / 1000), holder = NULL, held_until = NULL
  WHERE name = $1 AND holder = $2::uuid`;

export const createLease = (database: Database, job: string) => {
  const holder = crypto.randomUUID();
  return {
    /** Enters the job, or its new schedule. @param firstRun of PostgreSQL's present time, both epoch milliseconds */
    register: async (schedule: string, firstRun: (nowMs: number) => number): Promise<void> => {
      const [{ now } = { now: 0 }] = await database.query<{ now: number }>(CLOCK);
      await database.query(REGISTER, [job, schedule, Math.max(0, firstRun(now) - now)]);
    },
    /** Takes the job if it is due and free. @returns the time, epoch milliseconds; undefined if it is not taken */
    take: async (): Promise<number | undefined> => {
      const [taken] = await database.query<{ now: number }>(TAKE, [job, holder, LEASE_MS]);
      return taken?.now;
    },
    /** @returns false if another process may have taken the job */
    renew: async (): Promise<boolean> => (await database.query(RENEW, [job, holder, LEASE_MS])).length > 0,
    /** @param nextMs when the job is due again, epoch milliseconds */
    end: async (nextMs: number): Promise<void> => {
      await database.query(END, [job, holder, nextMs]);
    },
  };
};
