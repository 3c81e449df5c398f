import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../src/local/free-port.ts";
import { StopList } from "../../src/local/stop-list.ts";
import type { Scope } from "../../src/origin/db/database.ts";
import { CircuitOpenError, DeadlineError, SaturatedError } from "../../src/origin/db/errors.ts";
import type { PostgresPool } from "../../src/origin/db/postgres.ts";
import { createBreaker } from "../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { type Door, startDoor } from "../support/door.ts";
import { startBlackHole } from "./support/black-hole.ts";
import { overTcp, overWebSocket } from "./support/database-drivers.ts";
import { type ConnectOptions, describeDatabases, uniqueMark } from "./support/database-fixture.ts";
import { failureOf, gate, until } from "./support/poll.ts";
import { reading, type TestScope, writing } from "./support/scope.ts";
import { type Told, tellingBreaker } from "./support/telling-breaker.ts";

interface Way {
  readonly scope: (timeoutMs?: number) => TestScope;
  readonly run: (pool: PostgresPool, scope: Scope, text: string) => Promise<unknown>;
}

const ways: Readonly<Record<string, Way>> = {
  "a read": { scope: reading, run: (pool, scope, text) => pool.within(scope).query(text) },
  "a write": { scope: writing, run: (pool, scope, text) => pool.within(scope).query(text) },
  "a transaction": {
    scope: writing,
    run: (pool, scope, text) =>
      pool.within(scope).transaction(async (transaction) => {
        await transaction.query("SELECT 1");
        await transaction.query(text);
      }),
  },
};
const eachWay = test.each(Object.entries(ways));

const settled = (told: readonly Told[]): Promise<readonly Told[]> =>
  until("every attempt has told what it knows", () => !told.includes("nothing yet") && told);

describeDatabases(
  (fixture, driver) => {
    /** A pool that tells, and what it tells. */
    const telling = (options: ConnectOptions = {}) => {
      const { breaker, told } = tellingBreaker();
      const pool = fixture().connect({ maxConnections: 2, breaker, ...options });
      return { pool, told };
    };

    /** The same through a door. */
    const behindDoor = async (options: ConnectOptions = {}) => {
      const stops = new StopList();
      onTestFinished(() => stops.stopAll());
      const url = new URL(fixture().databaseUrl);
      const door: Door = await startDoor(url.href);
      stops.add(() => door.stop());
      url.host = `127.0.0.1:${door.port}`;
      return { door, ...telling({ ...(await driver.route(url.href, stops)), ...options }) };
    };

    /** Where the driver is to look for its server, or for the proxy before it. */
    const toPort = (port: number): ConnectOptions =>
      driver === overTcp
        ? { url: `postgres://a:b@127.0.0.1:${port}/c` }
        : { webSocketProxy: `127.0.0.1:${port}/v1` };

    eachWay("%s that is answered tells that the server is well", async (_, { scope, run }) => {
      const { pool, told } = telling();
      await run(pool, scope(), "SELECT 1");
      expect(told).toEqual(["ok"]);
    });

    eachWay("%s that the server refuses, or cancels at its deadline, tells the same", async (_, way) => {
      const { pool, told } = telling();
      await expect(way.run(pool, way.scope(), "SELECT 1/0")).rejects.toThrow("division by zero");
      await expect(way.run(pool, way.scope(), "SELEC")).rejects.toThrow("syntax error");
      await expect(way.run(pool, way.scope(200), "SELECT pg_sleep(10)")).rejects.toThrow(DeadlineError);
      expect(await settled(told)).toEqual(["ok", "ok", "ok"]);
    });

    test("each try of a transaction asks again", async () => {
      const { pool, told } = telling();
      let tries = 0;
      await pool.within(writing()).transaction(async (transaction) => {
        tries += 1;
        if (tries < 3) await transaction.query("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$");
      });
      expect(told).toEqual(["ok", "ok", "ignore"]);
    });

    eachWay("%s whose client goes away tells nothing", async (_, { scope, run }) => {
      const { pool, told } = telling();
      const mark = uniqueMark();
      const left = scope();
      const failing = failureOf(run(pool, left, `SELECT pg_sleep(10) AS ${mark}`));
      await fixture().untilRunning(mark);
      left.end("abandoned");
      await failing;
      expect(told).toEqual(["ignore"]);
      await fixture().untilGone(mark);
    });

    test("a transaction that has sent nothing tells nothing, one that rolls back that the server is well", async () => {
      const { pool, told } = telling();
      const refused = new Error("refused");
      const database = pool.within(writing());
      await expect(database.transaction(() => Promise.reject(refused))).rejects.toBe(refused);
      await expect(
        database.transaction(async (transaction) => {
          await transaction.query("SELECT 1");
          throw refused;
        }),
      ).rejects.toBe(refused);
      expect(told).toEqual(["ignore", "ok"]);
    });

    eachWay("%s whose connection is lost under it tells a failure", async (_, { scope, run }) => {
      const { pool, told } = telling();
      const mark = uniqueMark();
      const failing = failureOf(run(pool, scope(), `SELECT pg_sleep(2) AS ${mark}`));
      await fixture().untilRunning(mark);
      await fixture().terminateAll();
      await failing;
      expect(told).toEqual(["fail"]);
    });

    test("with a connection that is lost one failure is told, however many reads shared it", async () => {
      const { pool, told } = telling({ maxConnections: 1 });
      const mark = uniqueMark();
      const reads = Array.from({ length: 20 }, () =>
        failureOf(pool.within(reading()).query(`SELECT pg_sleep(0.1) AS ${mark}`)),
      );
      await fixture().untilRunning(mark);
      await fixture().terminateAll();
      await Promise.all(reads);
      expect(told.filter((each) => each === "fail")).toHaveLength(1);
      expect(told).not.toContain("nothing yet");
    });

    eachWay("%s for which no connection can be opened tells a failure", async (_, { scope, run }) => {
      const { pool, told } = telling(toPort(await freePort()));
      await failureOf(run(pool, scope(), "SELECT 1"));
      expect(await settled(told)).toEqual(["fail"]);
    });

    eachWay("%s that has not waited for the opening's failure tells it all the same", async (_, way) => {
      const { pool, told } = telling({ connectTimeoutMs: 400, ...toPort(await startBlackHole()) });
      const { error } = await failureOf(way.run(pool, way.scope(50), "SELECT 1"));
      expect(error).toBeInstanceOf(DeadlineError);
      expect(told).toEqual(["nothing yet"]);
      expect(await settled(told)).toEqual(["fail"]);
    });

    eachWay("%s that a server leaves unanswered beyond its deadline tells a failure", async (_, way) => {
      const { door, pool, told } = await behindDoor();
      await way.run(pool, way.scope(), "SELECT 1");
      door.shut();
      const { error } = await failureOf(way.run(pool, way.scope(200), "SELECT 1"));
      expect(error).toBeInstanceOf(DeadlineError);
      expect(await settled(told)).toEqual(["ok", "fail"]);
    });

    test("what finds every connection taken tells nothing", async () => {
      const { pool, told } = telling({ maxConnections: 1, connectTimeoutMs: 700 });
      const [taken, done] = [gate(), gate()];
      const long = pool.within(writing()).transaction(async (transaction) => {
        await transaction.query("SELECT 1");
        taken.open();
        await done.opened;
      });
      await Promise.race([taken.opened, long]);
      for (const { scope, run } of Object.values(ways)) {
        const { error } = await failureOf(run(pool, scope(), "SELECT 1"));
        expect(error).toBeInstanceOf(SaturatedError);
      }
      done.open();
      await long;
      expect(told).toEqual(["ok", "ignore", "ignore", "ignore"]);
    });

    eachWay("%s is refused at once while the breaker is open, and nothing is sent", async (_, way) => {
      const nowMs = Date.now();
      const breaker = createBreaker({ failureThreshold: 1 }, { now: () => nowMs, random: () => 0.9 });
      const permit = breaker.tryAcquire();
      if (permit.granted) permit.fail();
      const pool = fixture().connect({ breaker });
      const { error } = await failureOf(way.run(pool, way.scope(), "SELECT 1"));
      expect(error).toBeInstanceOf(CircuitOpenError);
      expect(error).toMatchObject({ retryAtMs: nowMs + 900, retryAfterS: 1 });
      await pause(0);
      expect(pool.usage()).toEqual({ total: 0, idle: 0, waiting: 0 });
    });
  },
  { drivers: [overTcp, overWebSocket] },
);
