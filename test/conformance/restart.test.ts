import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { erasePostgres, type LocalPostgres, startPostgres } from "../../src/local/postgres.ts";
import { DeadlineError, UnavailableError } from "../../src/origin/db/errors.ts";
import { describeDatabases } from "./support/database-fixture.ts";
import { failureOf, until } from "./support/poll.ts";
import { reading, writing } from "./support/scope.ts";

let folder = "";
let server: LocalPostgres | undefined;

const running = (): LocalPostgres => {
  if (server === undefined) throw new Error("the server has not started");
  return server;
};

const start = async (port?: number): Promise<void> => {
  server = await startPostgres({
    folder: join(folder, "postgres"),
    durable: false,
    ...(port === undefined ? {} : { port }),
  });
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "breakwater-conformance-"));
  await start();
});

afterAll(async () => {
  await server?.stop();
  await erasePostgres(join(folder, "postgres"));
  await rm(folder, { recursive: true, force: true });
});

describeDatabases(
  (fixture, driver) => {
    test("a restarted server is used again, and its absence is UnavailableError", async () => {
      const pool = fixture().connect({ connectTimeoutMs: 3_000 });
      const one = [{ one: 1 }];
      const attempts = (): Promise<unknown>[] => [
        pool.within(reading(10_000)).query("SELECT 1 AS one"),
        pool.within(writing(10_000)).query("SELECT 1 AS one"),
        pool.within(writing(10_000)).transaction((transaction) => transaction.query("SELECT 1 AS one")),
      ];
      for (const rows of await Promise.all([...attempts(), ...attempts()])) expect(rows).toEqual(one);
      // A pooler lets its clients wait for the server to return.
      const kinds = driver.pooled ? [UnavailableError, DeadlineError] : [UnavailableError];
      const expectAway = (error: unknown): void =>
        expect(error).toSatisfy(() => kinds.some((kind) => error instanceof kind));
      const { port } = running();
      const underWay = attempts().concat(pool.within(writing()).query("SELECT pg_sleep(8)"));
      const settled = Promise.allSettled(underWay);
      await running().stop();
      try {
        for (const outcome of await settled) if (outcome.status === "rejected") expectAway(outcome.reason);
        for (const { error, tookMs } of await Promise.all(attempts().map(failureOf))) {
          expectAway(error);
          expect(tookMs).toBeLessThan(5_000);
        }
      } finally {
        await start(port);
      }
      const works = async (): Promise<boolean> =>
        (await Promise.allSettled(attempts())).every(({ status }) => status === "fulfilled");
      await until("the server is used again", works, 15_000);
      for (let time = 0; time < 3; time += 1) expect(await works()).toBe(true);
    }, 60_000);
  },
  { serverUrl: () => running().url },
);
