import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Scope, unboundScope } from "../../src/origin/db/database.ts";
import { DeadlineError, UnavailableError } from "../../src/origin/db/errors.ts";
import type { PostgresPool } from "../../src/origin/db/postgres.ts";
import { describeDatabases, uniqueMark } from "./support/database-fixture.ts";
import { failureOf, gate } from "./support/poll.ts";
import { reading, type TestScope, writing } from "./support/scope.ts";

/** Deadlines are 300 ms; a busy machine needs slack. */
const slackMs = 3_000;

type Run = (pool: PostgresPool, scope: Scope, text: string) => Promise<unknown>;

const ways: Readonly<
  Record<string, { readonly scope: (timeoutMs: number) => TestScope; readonly run: Run }>
> = {
  "a read": { scope: reading, run: (pool, scope, text) => pool.within(scope).query(text) },
  "a write": { scope: writing, run: (pool, scope, text) => pool.within(scope).query(text) },
  "a transaction's first statement": {
    scope: writing,
    run: (pool, scope, text) => pool.within(scope).transaction((transaction) => transaction.query(text)),
  },
  "a transaction's later statement": {
    scope: writing,
    run: (pool, scope, text) =>
      pool.within(scope).transaction(async (transaction) => {
        await transaction.query("SELECT 1");
        await transaction.query(text);
      }),
  },
  "a transaction's script": {
    scope: writing,
    run: (pool, scope, text) => pool.within(scope).transaction((transaction) => transaction.script(text)),
  },
};

describeDatabases((fixture) => {
  const expectUsable = async (pool: PostgresPool): Promise<void> => {
    // On every connection: no session keeps a timeout.
    const timeouts = await Promise.all(
      Array.from({ length: 6 }, () =>
        pool.within(unboundScope("after")).query<{ statement_timeout: string }>("SHOW statement_timeout"),
      ),
    );
    for (const rows of timeouts) expect(rows).toEqual([{ statement_timeout: "0" }]);
    expect(await pool.within(reading()).query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  };

  test.each(
    Object.entries(ways),
  )("%s that takes too long ends at its deadline, on the server too", async (_, way) => {
    const pool = fixture().connect({ maxConnections: 2 });
    const mark = uniqueMark();
    const { error, tookMs } = await failureOf(
      way.run(pool, way.scope(300), `SELECT pg_sleep(10) AS ${mark}`),
    );
    expect(error).toBeInstanceOf(DeadlineError);
    expect(tookMs).toBeLessThan(slackMs);
    await fixture().untilGone(mark);
    await expectUsable(pool);
  });

  test.each(Object.entries(ways))("%s of an abandoned request is ended on the server", async (_, way) => {
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
      { statement_timeout: expect.stringMatching(/^1(5s|4\d+ms)$/) },
    ]);
  });

  test("a request that has ended sends nothing", async () => {
    const pool = fixture().connect();
    const mark = uniqueMark();
    await fixture().admin(`CREATE TABLE ${mark} (n int8)`);
    for (const reason of ["deadline", "abandoned"] as const) {
      const scope = writing();
      scope.end(reason);
      const database = pool.within(scope);
      await expect(database.query(`INSERT INTO ${mark} VALUES (1)`)).rejects.toThrow(DeadlineError);
      await expect(
        database.transaction((transaction) => transaction.query(`INSERT INTO ${mark} VALUES (1)`)),
      ).rejects.toThrow(DeadlineError);
    }
    expect(await fixture().admin(`SELECT n FROM ${mark}`)).toEqual([]);
  });

  test("a transaction that ends at its deadline has no effect", async () => {
    const pool = fixture().connect({ maxConnections: 2 });
    const table = uniqueMark();
    await fixture().admin(`CREATE TABLE ${table} (n int8)`);
    const { error } = await failureOf(
      pool.within(writing(200)).transaction(async (transaction) => {
        await transaction.query(`INSERT INTO ${table} VALUES (1)`);
        await pause(400);
        await transaction.query(`INSERT INTO ${table} VALUES (2)`);
      }),
    );
    expect(error).toBeInstanceOf(DeadlineError);
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
    const pool = fixture().connect({ maxConnections: 2 });
    const mark = uniqueMark();
    const other = pool.within(reading(15_000)).query(`SELECT 1 AS one FROM pg_sleep(2.5) AS ${mark}`);
    await fixture().untilRunning(mark);
    // One of them takes the pool's other connection where connections are not shared.
    const waiting = Array.from({ length: 4 }, () =>
      failureOf(pool.within(reading(300)).query("SELECT pg_sleep(5)")),
    );
    for (const { error, tookMs } of await Promise.all(waiting)) {
      expect(error).toBeInstanceOf(DeadlineError);
      expect(tookMs).toBeLessThan(2_000);
    }
    expect(await fixture().running(mark)).toBe(1);
    expect(await other).toEqual([{ one: 1 }]);
    await expectUsable(pool);
  });

  /** A pool whose only connection is in use until released. */
  const takenPool = async (
    connectTimeoutMs: number,
  ): Promise<{ pool: PostgresPool; release(): Promise<void> }> => {
    const pool = fixture().connect({ maxConnections: 1, connectTimeoutMs });
    const taken = gate();
    const done = gate();
    const long = pool.within(unboundScope("long")).transaction(async (transaction) => {
      await transaction.query("SELECT 1");
      taken.open();
      await done.opened;
    });
    await Promise.race([taken.opened, long]);
    return {
      pool,
      release: async () => {
        done.open();
        await long;
      },
    };
  };

  test("waiting for a connection is bounded by the request", async () => {
    const { pool, release } = await takenPool(10_000);
    for (const scope of [reading(200), writing(200)]) {
      const { error, tookMs } = await failureOf(pool.within(scope).query("SELECT 1"));
      expect(error).toBeInstanceOf(DeadlineError);
      expect(tookMs).toBeLessThan(slackMs);
    }
    await release();
    await expectUsable(pool);
  });

  test("without a deadline, waiting for a connection is bounded by the pool", async () => {
    const { pool, release } = await takenPool(700);
    for (const readOnly of [false, true]) {
      const scope = { ...unboundScope("waiting"), readOnly };
      const { error, tookMs } = await failureOf(pool.within(scope).query("SELECT 1"));
      expect(error).toBeInstanceOf(UnavailableError);
      expect(tookMs).toBeLessThan(slackMs);
    }
    await release();
    await expectUsable(pool);
  });
});
