import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { freePort } from "../../src/local/free-port.ts";
import { DeadlineError, UnavailableError } from "../../src/origin/db/errors.ts";
import type { PostgresPool } from "../../src/origin/db/postgres.ts";
import { startBlackHole } from "./support/black-hole.ts";
import { neonUrl, overTcp, overWebSocket } from "./support/database-drivers.ts";
import { describeDatabases, uniqueMark } from "./support/database-fixture.ts";
import { failureOf, until, untilSucceeds } from "./support/poll.ts";
import { reading, writing } from "./support/scope.ts";

describeDatabases((fixture, driver) => {
  const numbers = Array.from({ length: 200 }, (_, index) => index);

  const readAll = (pool: PostgresPool): Promise<{ n: number; rows?: unknown; error?: unknown }[]> =>
    Promise.all(
      numbers.map((n) =>
        pool
          .within(reading())
          .query(`SELECT $1::int4 AS n, pg_sleep(0.002)::text AS slept`, [n])
          .then(
            (rows) => ({ n, rows }),
            (error: unknown) => ({ n, error }),
          ),
      ),
    );

  test("two hundred concurrent reads through few connections each get their own result", async () => {
    const pool = fixture().connect({ maxConnections: 3 });
    for (const { n, rows, error } of await readAll(pool)) {
      expect(error).toBeUndefined();
      expect(rows).toEqual([{ n, slept: "" }]);
    }
    expect(pool.usage().total).toBeLessThanOrEqual(3);
  });

  test("reads survive the loss of their connections, and never get another read's result", async () => {
    const pool = fixture().connect({ maxConnections: 3 });
    const outcomes: Awaited<ReturnType<typeof readAll>> = [];
    for (let wave = 0; wave < 3; wave += 1) {
      const reads = readAll(pool);
      await pause(60);
      await until("connections are ended", async () => (await fixture().terminateAll()) > 0);
      outcomes.push(...(await reads));
    }
    for (const { n, rows, error } of outcomes) {
      if (error === undefined) expect(rows).toEqual([{ n, slept: "" }]);
      // Only shared connections send reads again.
      else if (driver !== overWebSocket) throw error;
      else expect(error).toBeInstanceOf(UnavailableError);
    }
    expect(outcomes.filter(({ error }) => error === undefined).length).toBeGreaterThan(500);
  });

  test("a write whose connection is lost is not sent again", async () => {
    const pool = fixture().connect();
    const mark = uniqueMark();
    await fixture().admin(`CREATE SEQUENCE ${mark}`);
    const failing = failureOf(pool.within(writing()).query(`SELECT nextval('${mark}'), pg_sleep(10)`));
    await fixture().untilRunning(mark);
    await fixture().terminateAll();
    expect((await failing).error).toBeInstanceOf(UnavailableError);
    await pause(50);
    expect(await fixture().admin(`SELECT last_value::int4 AS times FROM ${mark}`)).toEqual([{ times: 1 }]);
  });

  test("a transaction whose connection is lost fails as unavailable, without effect", async () => {
    const pool = fixture().connect();
    const table = uniqueMark();
    await fixture().admin(`CREATE TABLE ${table} (n int8)`);
    const { error } = await failureOf(
      pool.within(writing()).transaction(async (transaction) => {
        await transaction.query(`INSERT INTO ${table} VALUES (1)`);
        await fixture().terminateAll();
        await transaction.query(`INSERT INTO ${table} VALUES (2)`);
      }),
    );
    expect(error).toBeInstanceOf(UnavailableError);
    expect(await fixture().admin(`SELECT n FROM ${table}`)).toEqual([]);
    await untilSucceeds("the next write", () => pool.within(writing()).query("SELECT 1"));
  });

  test("lost idle connections are replaced", async () => {
    const pool = fixture().connect();
    await Promise.all(numbers.slice(0, 8).map(() => pool.within(writing()).query("SELECT pg_sleep(0.01)")));
    expect(pool.usage().idle).toBeGreaterThan(1);
    await fixture().terminateAll();
    // A pooler keeps its clients' connections.
    if (!driver.pooled) await until("the pool has noticed", () => pool.usage().total === 0);
    else await pause(50);
    expect(await pool.within(writing()).query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
    expect(await pool.within(reading()).query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("a read on idle connections whose loss is still undetected succeeds", async () => {
    const pool = fixture().connect();
    const many = async (text: string): Promise<void> => {
      const outcomes = await Promise.allSettled(
        numbers.slice(0, 20).map(() => pool.within(reading()).query(text)),
      );
      // Only shared connections send reads again. The server may still be closing connections of the previous round.
      if (driver !== overWebSocket) for (const { status } of outcomes) expect(status).toBe("fulfilled");
    };
    for (let time = 0; time < 3; time += 1) {
      await many("SELECT pg_sleep(0.005)");
      await Promise.all([fixture().terminateAll(), many("SELECT 1 AS one")]);
    }
  });

  test("a server that turns read-only serves reads but rejects writes, and accepts writes again without a restart", async () => {
    const { admin, databaseName, terminateAll, connect } = fixture();
    const pool = connect();
    const table = uniqueMark();
    await admin(`CREATE TABLE ${table} (n int8)`);
    const write = (n: number): Promise<unknown> =>
      pool.within(writing()).query(`INSERT INTO ${table} VALUES ($1)`, [n]);
    const writeMany = (): Promise<unknown> =>
      pool
        .within(writing())
        .transaction((transaction) => transaction.query(`INSERT INTO ${table} VALUES (10)`));
    const read = (): Promise<unknown> =>
      pool.within(reading()).query(`SELECT count(*) AS count FROM ${table}`);
    await write(1);
    await admin(`ALTER DATABASE ${databaseName} SET default_transaction_read_only = on`);
    try {
      await terminateAll();
      await until("the server is read-only for the pool", async () =>
        pool
          .within(reading())
          .query<{ on: string }>("SELECT current_setting('transaction_read_only') AS on")
          .then(
            ([row]) => row?.on === "on",
            () => false,
          ),
      );
      for (let time = 0; time < 6; time += 1) {
        await expect(write(2)).rejects.toThrow(UnavailableError);
        await expect(writeMany()).rejects.toThrow(UnavailableError);
        expect(await read()).toEqual([{ count: 1 }]);
      }
    } finally {
      await admin(`ALTER DATABASE ${databaseName} RESET default_transaction_read_only`);
    }
    // A pooler renews its server connections itself (its RECONNECT).
    if (driver.pooled) await terminateAll();
    await untilSucceeds("a write", () => write(3));
    for (const n of [4, 5, 6]) await write(n);
    await writeMany();
    expect(await read()).toEqual([{ count: 6 }]);
  });
});

describeDatabases(
  (fixture, driver) => {
    const ofPort = (port: number): string => {
      const url = new URL(fixture().route.url);
      url.port = String(port);
      return url.href;
    };

    /** Pools whose server is at `port`: directly, or behind the proxy. */
    const poolsTo = async (port: number): Promise<PostgresPool[]> => {
      const { connect } = fixture();
      const options = { connectTimeoutMs: 400 };
      if (driver === overTcp) return [connect({ ...options, url: ofPort(port) })];
      const stops = new CleanupStack();
      onTestFinished(() => stops.runAll());
      const route = await overWebSocket.route(`postgres://a:b@127.0.0.1:${port}/c`, stops);
      return [
        connect({ ...options, url: route.url }),
        connect({ ...options, url: neonUrl("postgres://a:b@host/c", port) }),
      ];
    };

    const expectBounded = async (pool: PostgresPool): Promise<void> => {
      for (const scope of [reading(), writing()]) {
        const { error, tookMs } = await failureOf(pool.within(scope).query("SELECT 1"));
        expect(error).toBeInstanceOf(UnavailableError);
        expect((error as Error).message).not.toBe("");
        expect(tookMs).toBeLessThan(3_000);
        const transaction = await failureOf(
          pool.within(scope).transaction((inner) => inner.query("SELECT 1")),
        );
        expect(transaction.error).toBeInstanceOf(UnavailableError);
      }
      const { error, tookMs } = await failureOf(pool.within(reading(100)).query("SELECT 1"));
      expect([DeadlineError, UnavailableError].some((kind) => error instanceof kind)).toBe(true);
      expect(tookMs).toBeLessThan(2_000);
    };

    test("a closed port is UnavailableError in bounded time", async () => {
      for (const pool of await poolsTo(await freePort())) await expectBounded(pool);
    });

    test("a server that never answers is UnavailableError in bounded time", async () => {
      for (const pool of await poolsTo(await startBlackHole())) await expectBounded(pool);
    });
  },
  { drivers: [overTcp, overWebSocket] },
);
