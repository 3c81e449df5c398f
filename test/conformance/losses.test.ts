import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { freePort } from "../../src/local/free-port.ts";
import { DeadlineError, OutcomeUnknownError, UnavailableError } from "../../src/origin/db/errors.ts";
import type { PostgresPool } from "../../src/origin/db/postgres.ts";
import { neonUrl, overTcp, overWebSocket } from "./support/database-drivers.ts";
import { describeDatabases, uniqueMark } from "./support/database-fixture.ts";
import { reading, writing } from "./support/requests.ts";
import { failureOf, startBlackHole, until, untilSucceeds } from "./support/waiting.ts";

describeDatabases((fixture, driver) => {
  const numbers = Array.from({ length: 200 }, (_, index) => index);

  const readAll = (pool: PostgresPool) =>
    Promise.allSettled(
      numbers.map((n) => pool.within(reading()).query("SELECT $1::int4 AS n, pg_sleep(0.002)::text", [n])),
    );

  test("two hundred concurrent reads through few connections each get their own result", async () => {
    const pool = fixture().connect({ maxConnections: 3 });
    for (const [n, outcome] of (await readAll(pool)).entries())
      expect(outcome).toEqual({ status: "fulfilled", value: [{ n, pg_sleep: "" }] });
    expect(pool.usage().total).toBeLessThanOrEqual(3);
  });

  test("reads survive the loss of their connections, and never get another read's result", async () => {
    const pool = fixture().connect({ maxConnections: 3 });
    let succeeded = 0;
    for (let wave = 0; wave < 3; wave += 1) {
      const reads = readAll(pool);
      await pause(60);
      await until(async () => (await fixture().terminateAll()) > 0);
      for (const [n, outcome] of (await reads).entries()) {
        if (outcome.status === "fulfilled") {
          expect(outcome.value).toEqual([{ n, pg_sleep: "" }]);
          succeeded += 1;
          // Only shared connections send reads again.
        } else if (driver !== overWebSocket) throw outcome.reason;
        else expect(outcome.reason).toBeInstanceOf(UnavailableError);
      }
    }
    expect(succeeded).toBeGreaterThan(500);
  });

  test("a write whose connection is lost is not sent again", async () => {
    const pool = fixture().connect();
    const mark = uniqueMark();
    await fixture().admin(`CREATE SEQUENCE ${mark}`);
    const failing = failureOf(pool.within(writing()).query(`SELECT nextval('${mark}'), pg_sleep(10)`));
    await fixture().untilRunning(mark);
    await fixture().terminateAll();
    expect((await failing).error).toBeInstanceOf(OutcomeUnknownError);
    await pause(50);
    expect(await fixture().admin(`SELECT last_value::int4 AS times FROM ${mark}`)).toEqual([{ times: 1 }]);
  });

  test("a transaction whose connection is lost fails as unavailable, without effect", async () => {
    const pool = fixture().connect();
    const table = await fixture().createTable();
    const failing = pool.within(writing()).transaction(async (transaction) => {
      await transaction.query(`INSERT INTO ${table} VALUES (1)`);
      await fixture().terminateAll();
      await transaction.query(`INSERT INTO ${table} VALUES (2)`);
    });
    const { error } = await failureOf(failing);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).not.toBeInstanceOf(OutcomeUnknownError);
    expect(await fixture().admin(`SELECT n FROM ${table}`)).toEqual([]);
    await untilSucceeds(() => pool.within(writing()).query("SELECT 1"));
  });

  test("a transaction whose connection is lost at COMMIT has an unknown outcome", async () => {
    const pool = fixture().connect();
    const table = await fixture().createTable();
    const mark = uniqueMark();
    // Deferred: it runs at COMMIT.
    await fixture().admin(`CREATE FUNCTION ${mark}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_sleep(10); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON ${table} DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION ${mark}()`);
    const failing = failureOf(
      pool
        .within(writing())
        .transaction((transaction) => transaction.query(`INSERT INTO ${table} VALUES (1)`)),
    );
    await fixture().untilRunning("COMMIT");
    await fixture().terminateAll();
    expect((await failing).error).toBeInstanceOf(OutcomeUnknownError);
  });

  test("lost idle connections are replaced", async () => {
    const pool = fixture().connect();
    await Promise.all(numbers.slice(0, 8).map(() => pool.within(writing()).query("SELECT pg_sleep(0.01)")));
    expect(pool.usage().idle).toBeGreaterThan(1);
    await fixture().terminateAll();
    // A pooler keeps its clients' connections.
    if (!driver.pooled) await until(() => pool.usage().total === 0);
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
    const table = await fixture().createTable();
    const insert = `INSERT INTO ${table} VALUES (1)`;
    const write = () => pool.within(writing()).query(insert);
    const writeMany = () => pool.within(writing()).transaction((transaction) => transaction.query(insert));
    const read = () => pool.within(reading()).query(`SELECT count(*) AS count FROM ${table}`);
    await write();
    await admin(`ALTER DATABASE ${databaseName} SET default_transaction_read_only = on`);
    try {
      await terminateAll();
      await untilSucceeds(async () => {
        const setting = await pool.within(reading()).query("SHOW transaction_read_only");
        expect(setting).toEqual([{ transaction_read_only: "on" }]);
      });
      for (let time = 0; time < 6; time += 1) {
        await expect(write()).rejects.toThrow(UnavailableError);
        await expect(writeMany()).rejects.toThrow(UnavailableError);
        expect(await read()).toEqual([{ count: 1 }]);
      }
    } finally {
      await admin(`ALTER DATABASE ${databaseName} RESET default_transaction_read_only`);
    }
    // A pooler renews its server connections itself (its RECONNECT).
    if (driver.pooled) await terminateAll();
    await untilSucceeds(write);
    for (let time = 0; time < 3; time += 1) await write();
    await writeMany();
    expect(await read()).toEqual([{ count: 6 }]);
  });
});

describeDatabases(
  (fixture, driver) => {
    const expectBounded = async (pool: PostgresPool): Promise<void> => {
      for (const scope of [reading(), writing()]) {
        const { error, tookMs } = await failureOf(pool.within(scope).query("SELECT 1"));
        expect(error).toBeInstanceOf(UnavailableError);
        expect(error).toMatchObject({ message: expect.stringMatching(/./) });
        expect(tookMs).toBeLessThan(3_000);
        const transaction = pool.within(scope).transaction((inner) => inner.query("SELECT 1"));
        await expect(transaction).rejects.toThrow(UnavailableError);
      }
      const { error, tookMs } = await failureOf(pool.within(reading(100)).query("SELECT 1"));
      expect([DeadlineError, UnavailableError].some((kind) => error instanceof kind)).toBe(true);
      expect(tookMs).toBeLessThan(2_000);
    };

    test.each([
      ["a closed port", freePort],
      ["a server that never answers", startBlackHole],
    ])("%s is UnavailableError in bounded time", async (_, portOf) => {
      const port = await portOf();
      const direct = `postgres://a:b@127.0.0.1:${port}/c`;
      const stops = new CleanupStack();
      onTestFinished(() => stops.runAll());
      // Over a WebSocket, either the proxy or the server behind it is missing.
      const urls = driver === overTcp ? [direct] : [neonUrl(direct, port), await driver.route(direct, stops)];
      for (const url of urls) await expectBounded(fixture().connect({ connectTimeoutMs: 400, url }));
    });
  },
  { drivers: [overTcp, overWebSocket] },
);
