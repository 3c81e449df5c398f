import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { unboundScope } from "../../src/origin/db/database.ts";
import { DeadlineError, UnavailableError } from "../../src/origin/db/errors.ts";
import type { PostgresPool } from "../../src/origin/db/postgres.ts";
import { describeDatabases, takeConnection, uniqueMark } from "./support/database-fixture.ts";
import { reading, ways, writing } from "./support/requests.ts";
import { failureOf } from "./support/waiting.ts";

/** Deadlines are 300 ms; a busy machine needs slack. */
const BOUND_MS = 3_000;

describeDatabases((fixture) => {
  const expectUsable = async (pool: PostgresPool): Promise<void> => {
    // On every connection: no session keeps a timeout.
    const database = pool.within(unboundScope("after"));
    const timeouts = await Promise.all(
      Array.from({ length: 6 }, () => database.query("SHOW statement_timeout")),
    );
    for (const rows of timeouts) expect(rows).toEqual([{ statement_timeout: "0" }]);
    expect(await pool.within(reading()).query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  };

  const eachWay = test.each(Object.entries(ways));

  eachWay("%s that takes too long ends at its deadline, on the server too", async (_, way) => {
    const pool = fixture().connect({ maxConnections: 2 });
    const mark = uniqueMark();
    const { error, tookMs } = await failureOf(
      way.run(pool, way.scope(300), `SELECT pg_sleep(10) AS ${mark}`),
    );
    expect(error).toBeInstanceOf(DeadlineError);
    expect(tookMs).toBeLessThan(BOUND_MS);
    await fixture().untilGone(mark);
    await expectUsable(pool);
  });

  eachWay("%s of an abandoned request is ended on the server", async (_, way) => {
    const pool = fixture().connect({ maxConnections: 2 });
    const mark = uniqueMark();
    const scope = way.scope(15_000);
    const failing = failureOf(way.run(pool, scope, `SELECT pg_sleep(10) AS ${mark}`));
    await fixture().untilRunning(mark);
    scope.end("abandoned");
    await fixture().untilGone(mark);
    expect((await failing).error).toBeInstanceOf(DeadlineError);
    await expectUsable(pool);
  });

  test("a fast statement with a deadline leaves nothing behind in the session", async () => {
    const pool = fixture().connect({ maxConnections: 1 });
    for (const scope of [reading(5_000), writing(5_000)]) {
      expect(await pool.within(scope).query("SHOW statement_timeout")).not.toEqual([
        { statement_timeout: "0" },
      ]);
      await pool.within(scope).transaction((transaction) => transaction.query("SELECT 1"));
      await expectUsable(pool);
    }
  });

  test("maintenance has a time limit too", async () => {
    const pool = fixture().connect();
    expect(await pool.query("SHOW statement_timeout")).toEqual([
      { statement_timeout: expect.stringMatching(/^(1[0-5]s|1[0-4]\d{3}ms|\d{1,4}ms|\ds)$/) },
    ]);
  });

  test("a request that has ended sends nothing", async () => {
    const pool = fixture().connect();
    const table = await fixture().createTable();
    for (const reason of ["deadline", "abandoned"] as const) {
      for (const { scope: begin, run } of Object.values(ways)) {
        const scope = begin();
        scope.end(reason);
        await expect(run(pool, scope, `INSERT INTO ${table} VALUES (1)`)).rejects.toThrow(DeadlineError);
      }
    }
    expect(await fixture().admin(`SELECT n FROM ${table}`)).toEqual([]);
  });

  test("a transaction that ends at its deadline has no effect", async () => {
    const pool = fixture().connect({ maxConnections: 2 });
    const table = await fixture().createTable();
    const failing = pool.within(writing(200)).transaction(async (transaction) => {
      await transaction.query(`INSERT INTO ${table} VALUES (1)`);
      await pause(400);
      await transaction.query(`INSERT INTO ${table} VALUES (2)`);
    });
    await expect(failing).rejects.toThrow(DeadlineError);
    await pause(300);
    expect(await fixture().admin(`SELECT n FROM ${table}`)).toEqual([]);
    await expectUsable(pool);
  });

  test("reads that share a connection with an abandoned read get their own results", async () => {
    const pool = fixture().connect({ maxConnections: 2 });
    const mark = uniqueMark();
    const scope = reading(15_000);
    const failing = failureOf(pool.within(scope).query(`SELECT pg_sleep(10) AS ${mark}`));
    await fixture().untilRunning(mark);
    const others = Array.from({ length: 50 }, (_, n) =>
      pool.within(reading(10_000)).query("SELECT $1::int4 AS n", [n]),
    );
    await pause(50);
    scope.end("abandoned");
    for (const [n, rows] of (await Promise.all(others)).entries()) expect(rows).toEqual([{ n }]);
    expect((await failing).error).toBeInstanceOf(DeadlineError);
    await fixture().untilGone(mark);
    await expectUsable(pool);
  });

  test("a read that waits behind another one ends at its own deadline, and leaves the other one alone", async () => {
    const release = await takeConnection(
      fixture().connect({ maxConnections: 1 }),
      "SELECT pg_advisory_xact_lock(7)",
    );
    const pool = fixture().connect({ maxConnections: 2 });
    const mark = uniqueMark();
    const other = pool.within(reading()).query(`SELECT 1 AS one FROM pg_advisory_xact_lock(7) AS ${mark}`);
    await fixture().untilRunning(mark);
    // One of them takes the pool's other connection where connections are not shared.
    const waiting = Array.from({ length: 4 }, () =>
      failureOf(pool.within(reading(300)).query("SELECT pg_sleep(20)")),
    );
    for (const { error } of await Promise.all(waiting)) expect(error).toBeInstanceOf(DeadlineError);
    // It moves to a connection of its own, so that later reads do not wait for it.
    expect(await pool.within(reading()).query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await fixture().untilRunning(mark);
    await release();
    expect(await other).toEqual([{ one: 1 }]);
    await expectUsable(pool);
  });

  test.each([
    ["the request", 10_000, DeadlineError, () => [reading(200), writing(200)]],
    [
      "the pool, without a deadline",
      700,
      UnavailableError,
      () => [false, true].map((readOnly) => ({ ...unboundScope("waiting"), readOnly })),
    ],
  ] as const)("waiting for a connection is bounded by %s", async (_, connectTimeoutMs, type, scopes) => {
    const pool = fixture().connect({ maxConnections: 1, connectTimeoutMs });
    const giveBack = await takeConnection(pool);
    for (const scope of scopes()) {
      const { error, tookMs } = await failureOf(pool.within(scope).query("SELECT 1"));
      expect(error).toBeInstanceOf(type);
      expect(tookMs).toBeLessThan(BOUND_MS);
    }
    await giveBack();
    await expectUsable(pool);
  });
});
