/** Background jobs of several processes on one database. */
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { timedScope, unboundScope } from "../../src/origin/db/database.ts";
import { migrate, readMigrations } from "../../src/origin/db/migrate.ts";
import { connectPostgres, type PostgresPool } from "../../src/origin/db/postgres.ts";
import type { BackgroundJob, JobServices } from "../../src/origin/jobs/job.ts";
import { jobRunner, type RunningJob } from "../../src/origin/jobs/runner.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { createMetrics } from "../../src/telemetry/meter-provider.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let pool: PostgresPool;

beforeAll(async () => {
  database = await createDatabase(inject("servers").databaseUrl);
  pool = connectPostgres(database.url, { maxConnections: 4, log: createLog("silent") });
  await migrate(pool.within(unboundScope("test")), await readMigrations());
});
afterAll(async () => {
  await pool?.close();
  await database?.drop();
});

const started: RunningJob[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((job) => job.drain(0)));
});

/** A process with the job. */
const start = (job: BackgroundJob): RunningJob => {
  const run = jobRunner({
    database: pool,
    callerFetch: () => () => Promise.reject(new Error("not here")),
    settings: {},
    meter: createMetrics().meter,
    samplingRate: 0,
    log: createLog("silent"),
  });
  const running = run(job);
  started.push(running);
  return running;
};

const execute = <Row extends object>(text: string, values: readonly string[] = []): Promise<Row[]> =>
  pool.within(timedScope("test", 5_000)).query<Row>(text, values);

const everySecond = (
  name: string,
  run: BackgroundJob["run"],
  timeout: BackgroundJob["timeout"] = "1m",
): BackgroundJob => ({
  name,
  every: "1s",
  timeout,
  run,
});

describe("a background job", () => {
  test("runs again and again, in one process at a time", async () => {
    let runs = 0;
    let atATime = 0;
    let most = 0;
    const job = everySecond("alone", async () => {
      atATime += 1;
      most = Math.max(most, atATime);
      await new Promise((resolve) => setTimeout(resolve, 700));
      atATime -= 1;
      runs += 1;
    });
    for (let process = 0; process < 3; process += 1) start(job);
    await expect.poll(() => runs, { timeout: 20_000 }).toBeGreaterThan(3);
    expect(most).toBe(1);
  });

  test("waits for the process that holds it, and starts again when that one is lost", async () => {
    const [row] = await execute<{ until: string }>(
      `INSERT INTO background_jobs (name, schedule, next_at, holder, held_until)
       VALUES ('taken', 'every 1s', now(), gen_random_uuid(), now() + interval '3 s')
       RETURNING held_until::text AS until`,
    );
    const isAfter: boolean[] = [];
    start(
      everySecond("taken", async () => {
        const statement = "SELECT now() >= $1::timestamptz AS after";
        const [compared] = await execute<{ after: boolean }>(statement, [row?.until ?? ""]);
        isAfter.push(compared?.after === true);
      }),
    );
    await expect.poll(() => isAfter[0], { timeout: 20_000 }).toBe(true);
  });

  test("runs as scheduled after a run that has failed", async () => {
    let runs = 0;
    start(
      everySecond("failing", async () => {
        runs += 1;
        throw new Error("a defect");
      }),
    );
    await expect.poll(() => runs, { timeout: 20_000 }).toBeGreaterThan(1);
  });

  /** Runs until its signal, and keeps the reason. */
  const untilSignal = () => {
    const reasons: unknown[] = [];
    let isRunning = false;
    const run = ({ signal }: JobServices): Promise<void> => {
      isRunning = true;
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          reasons.push(signal.reason);
          resolve();
        });
      });
    };
    return { reasons, run, isRunning: () => isRunning };
  };

  test("gets the signal at its timeout", async () => {
    const { run, reasons } = untilSignal();
    start(everySecond("slow", run, "300ms"));
    await expect.poll(() => reasons[0], { timeout: 20_000 }).toBe("deadline");
  });

  test("gets the signal when another process has taken it", async () => {
    const { run, reasons, isRunning } = untilSignal();
    start(everySecond("stolen", run));
    await expect.poll(isRunning).toBe(true);
    await execute("UPDATE background_jobs SET holder = gen_random_uuid() WHERE name = 'stolen'");
    await expect.poll(() => reasons[0], { timeout: 20_000 }).toBe("abandoned");
  });

  test("ends its present run while the process drains", async () => {
    let ended = false;
    let isRunning = false;
    const job = start(
      everySecond("draining", async () => {
        isRunning = true;
        await new Promise((resolve) => setTimeout(resolve, 500));
        ended = true;
      }),
    );
    await expect.poll(() => isRunning).toBe(true);
    await job.drain(30_000);
    expect(ended).toBe(true);
  });

  test("gets the signal when the drain has no more time", async () => {
    const { run, reasons, isRunning } = untilSignal();
    const job = start(everySecond("endless", run));
    await expect.poll(isRunning).toBe(true);
    await job.drain(100);
    expect(reasons).toEqual(["abandoned"]);
  });
});
