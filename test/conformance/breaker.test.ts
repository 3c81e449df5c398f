import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { startDoor } from "../../src/local/door.ts";
import { freePort } from "../../src/local/free-port.ts";
import { CircuitOpenError, DeadlineError, SaturatedError } from "../../src/origin/db/errors.ts";
import { type Breaker, createBreaker } from "../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { neonUrl, overTcp, overWebSocket } from "./support/database-drivers.ts";
import {
  type ConnectOptions,
  describeDatabases,
  takeConnection,
  uniqueMark,
} from "./support/database-fixture.ts";
import { kinds, reading, writing } from "./support/requests.ts";
import { failureOf, startBlackHole } from "./support/waiting.ts";

const eachKind = test.each(Object.entries(kinds));

type Settled = "ok" | "fail" | "ignore" | "pending";

/** A breaker that permits everything, and the first settlement of each permit in the order of acquisition. */
const recordingBreaker = (): { readonly breaker: Breaker; readonly settlements: Settled[] } => {
  const settlements: Settled[] = [];
  const breaker: Breaker = {
    state: "closed",
    tryAcquire: () => {
      const index = settlements.push("pending") - 1;
      const settle = (as: Settled) => (): void => {
        if (settlements[index] === "pending") settlements[index] = as;
      };
      return { granted: true, ok: settle("ok"), fail: settle("fail"), ignore: settle("ignore") };
    },
    run: () => Promise.reject(new Error("statements acquire permits")),
    probeNow: () => undefined,
    probeInMs: 0,
    rejections: 0,
  };
  return { breaker, settlements };
};

describeDatabases(
  (fixture, driver) => {
    /** A pool, and how it settles its permits. */
    const recording = (options: ConnectOptions = {}) => {
      const { breaker, settlements } = recordingBreaker();
      const pool = fixture().connect({ maxConnections: 2, breaker, ...options });
      return { pool, settlements };
    };

    /** Options that lead to a port of this machine. */
    const toPort = (port: number): ConnectOptions =>
      driver === overTcp
        ? { url: `postgres://a:b@127.0.0.1:${port}/c` }
        : { url: neonUrl("postgres://a:b@host/c", port) };

    eachKind("%s that succeeds counts as a success", async (_, { scope, run }) => {
      const { pool, settlements } = recording();
      await run(pool, scope(), "SELECT 1");
      expect(settlements).toEqual(["ok"]);
    });

    eachKind(
      "%s that the server rejects, or cancels at its deadline, counts as a success",
      async (_, kind) => {
        const { pool, settlements } = recording();
        await expect(kind.run(pool, kind.scope(), "SELECT 1/0")).rejects.toThrow("division by zero");
        await expect(kind.run(pool, kind.scope(), "SELEC")).rejects.toThrow("syntax error");
        await expect(kind.run(pool, kind.scope(200), "SELECT pg_sleep(10)")).rejects.toThrow(DeadlineError);
        await expect.poll(() => settlements).toEqual(["ok", "ok", "ok"]);
      },
    );

    test("each attempt of a transaction acquires a permit", async () => {
      const { pool, settlements } = recording();
      let tries = 0;
      await pool.within(writing()).transaction(async (transaction) => {
        tries += 1;
        if (tries < 3) await transaction.query("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$");
      });
      expect(settlements).toEqual(["ok", "ok", "ignore"]);
    });

    eachKind("%s whose client disconnects does not count", async (_, { scope, run }) => {
      const { pool, settlements } = recording();
      const mark = uniqueMark();
      const left = scope();
      const failing = failureOf(run(pool, left, `SELECT pg_sleep(10) AS ${mark}`));
      await fixture().untilRunning(mark);
      left.end("abandoned");
      await failing;
      expect(settlements).toEqual(["ignore"]);
      await fixture().untilGone(mark);
    });

    test("a transaction that sends nothing does not count, one that rolls back counts as a success", async () => {
      const { pool, settlements } = recording();
      const refused = new Error("refused");
      const database = pool.within(writing());
      await expect(database.transaction(() => Promise.reject(refused))).rejects.toBe(refused);
      await expect(
        database.transaction(async (transaction) => {
          await transaction.query("SELECT 1");
          throw refused;
        }),
      ).rejects.toBe(refused);
      expect(settlements).toEqual(["ignore", "ok"]);
    });

    eachKind("%s that loses its connection counts as a failure", async (_, { scope, run }) => {
      const { pool, settlements } = recording();
      const mark = uniqueMark();
      const failing = failureOf(run(pool, scope(), `SELECT pg_sleep(2) AS ${mark}`));
      await fixture().untilRunning(mark);
      await fixture().terminateAll();
      await failing;
      expect(settlements).toEqual(["fail"]);
    });

    test("a lost connection counts as one failure, however many reads share it", async () => {
      const { pool, settlements } = recording({ maxConnections: driver === overTcp ? 2 : 1 });
      const mark = uniqueMark();
      const reads = Array.from({ length: 20 }, () =>
        failureOf(pool.within(reading()).query(`SELECT pg_sleep(0.1) AS ${mark}`)),
      );
      await fixture().untilRunning(mark);
      await fixture().terminateAll();
      await Promise.all(reads);
      expect(settlements.filter((each) => each === "fail")).toHaveLength(1);
      expect(settlements).not.toContain("pending");
    });

    eachKind("%s counts as a failure if no connection can be opened", async (_, { scope, run }) => {
      const { pool, settlements } = recording(toPort(await freePort()));
      await failureOf(run(pool, scope(), "SELECT 1"));
      await expect.poll(() => settlements).toEqual(["fail"]);
    });

    eachKind("%s counts as a failure if opening fails after the caller has left", async (_, kind) => {
      const { pool, settlements } = recording({ connectTimeoutMs: 400, ...toPort(await startBlackHole()) });
      await expect(kind.run(pool, kind.scope(50), "SELECT 1")).rejects.toThrow(DeadlineError);
      expect(settlements).toEqual(["pending"]);
      await expect.poll(() => settlements).toEqual(["fail"]);
    });

    eachKind(
      "%s that the server leaves unanswered beyond its deadline counts as a failure",
      async (_, kind) => {
        const stops = new CleanupStack();
        onTestFinished(() => stops.runAll());
        const url = new URL(fixture().databaseUrl);
        const door = await startDoor(url.href);
        stops.add(() => door.stop());
        url.host = `127.0.0.1:${door.port}`;
        const { pool, settlements } = recording({ url: await driver.route(url.href, stops) });
        await kind.run(pool, kind.scope(), "SELECT 1");
        door.shut();
        await expect(kind.run(pool, kind.scope(200), "SELECT 1")).rejects.toThrow(DeadlineError);
        await expect.poll(() => settlements).toEqual(["ok", "fail"]);
      },
    );

    test("a statement that finds every connection in use does not count", async () => {
      const { pool, settlements } = recording({ maxConnections: 1, connectTimeoutMs: 700 });
      const giveBack = await takeConnection(pool);
      const before = settlements.length;
      for (const { scope, run } of Object.values(kinds))
        await expect(run(pool, scope(), "SELECT 1")).rejects.toThrow(SaturatedError);
      expect(settlements.slice(before)).toEqual(["ignore", "ignore", "ignore"]);
      await giveBack();
    });

    eachKind("%s is rejected at once while the breaker is open, and nothing is sent", async (_, kind) => {
      const nowMs = Date.now();
      const breaker = createBreaker({ failureThreshold: 1 }, { now: () => nowMs, random: () => 0.9 });
      const permit = breaker.tryAcquire();
      if (permit.granted) permit.fail();
      const pool = fixture().connect({ breaker });
      const { error } = await failureOf(kind.run(pool, kind.scope(), "SELECT 1"));
      expect(error).toBeInstanceOf(CircuitOpenError);
      expect(error).toMatchObject({ retryAtMs: nowMs + 900, retryAfterS: 1 });
      await pause(0);
      expect(pool.usage()).toEqual({ total: 0, idle: 0, waiting: 0 });
    });
  },
  { drivers: [overTcp, overWebSocket] },
);
