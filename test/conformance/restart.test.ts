import { afterAll, beforeAll, expect, test } from "vitest";
import { DeadlineError, UnavailableError } from "../../src/origin/db/errors.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";
import { describeDatabases } from "./support/database-fixture.ts";
import { reading, writing } from "./support/requests.ts";
import { failureOf, until } from "./support/waiting.ts";

let server: OwnPostgres;
beforeAll(async () => {
  server = await startOwnPostgres();
});
afterAll(() => server.remove());

describeDatabases(
  (fixture, driver) => {
    test("a restarted server is used again, and its absence is UnavailableError", async () => {
      const pool = fixture().connect({ connectTimeoutMs: 3_000 });
      const attempts = (): Promise<unknown>[] => [
        pool.within(reading(10_000)).query("SELECT 1 AS one"),
        pool.within(writing(10_000)).query("SELECT 1 AS one"),
        pool.within(writing(10_000)).transaction((transaction) => transaction.query("SELECT 1 AS one")),
      ];
      for (const rows of await Promise.all([...attempts(), ...attempts()]))
        expect(rows).toEqual([{ one: 1 }]);
      // A pooler lets its clients wait for the server to return.
      const kinds = driver.pooled ? [UnavailableError, DeadlineError] : [UnavailableError];
      const expectAway = (error: unknown): void =>
        expect(error).toSatisfy(() => kinds.some((kind) => error instanceof kind));
      const underWay = attempts().concat(pool.within(writing()).query("SELECT pg_sleep(8)"));
      const settled = Promise.allSettled(underWay);
      await server.stop();
      try {
        for (const outcome of await settled) if (outcome.status === "rejected") expectAway(outcome.reason);
        for (const { error, tookMs } of await Promise.all(attempts().map(failureOf))) {
          expectAway(error);
          expect(tookMs).toBeLessThan(5_000);
        }
      } finally {
        await server.start();
      }
      const works = async (): Promise<boolean> =>
        (await Promise.allSettled(attempts())).every(({ status }) => status === "fulfilled");
      await until(works);
      for (let time = 0; time < 3; time += 1) expect(await works()).toBe(true);
    });
  },
  { serverUrl: () => server.url },
);
