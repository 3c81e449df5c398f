import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { type Hold, hold, holdProduct, runningStatements, waitingCount } from "../support/locks.ts";
import { problemOf } from "../support/problem-of.ts";
import { beginSigned, type SignedInit, sendSigned } from "../support/signed-request.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
let lock: Hold | undefined;

beforeAll(async () => {
  system = await startSystem();
});
afterEach(() => lock?.release());
afterAll(() => system?.stop());

const productId = sampleProductId(1);
const post = { method: "POST", principal: "alice", json: { lines: [{ productId, quantity: 1 }] } };
const keyed = () => ({ ...post, headers: { "idempotency-key": crypto.randomUUID() } });

interface Case {
  readonly path: string;
  readonly init: Omit<SignedInit, "timeoutMs">;
  /** Makes the request's statement wait. */
  readonly block: () => Promise<Hold>;
  readonly status: number;
}

const lockTable = () => hold(system.databaseUrl, "LOCK TABLE products IN ACCESS EXCLUSIVE MODE");
const lockRow = () => holdProduct(system, productId);

const cases: readonly (readonly [string, () => Case])[] = [
  ["a read", () => ({ path: "/v1/products?limit=1", init: {}, block: lockTable, status: 200 })],
  ["an order", () => ({ path: "/v1/orders", init: post, block: lockRow, status: 201 })],
  ["an order with a key", () => ({ path: "/v1/orders", init: keyed(), block: lockRow, status: 201 })],
];

/** The tolerance of a busy machine. */
const SLACK_MS = 1_500;
const BOUND = { timeout: 2_000, interval: 20 };

/** The number of orders, and of idempotency records. */
const stored = async (): Promise<number[]> => [
  (await system.pool.query("SELECT FROM orders")).length,
  (await system.pool.query("SELECT FROM idempotency_records")).length,
];

/** Nothing was stored, and the repeated request is served like a first one. */
const expectServed = async ({ path, init, status }: Case, before: readonly number[]): Promise<void> => {
  expect(await stored()).toEqual(before);
  const response = await sendSigned(system, path, { ...init, timeoutMs: 10_000 });
  expect(response.status).toBe(status);
  expect(response.headers.has("idempotency-replayed")).toBe(false);
};

describe("at its deadline", () => {
  test.each(cases)("%s is 504, and its statement ends although its lock is still held", async (_, make) => {
    const one = make();
    const before = await stored();
    lock = await one.block();
    const beganAtMs = performance.now();
    const response = await sendSigned(system, one.path, { ...one.init, timeoutMs: 300 });
    const tookMs = performance.now() - beganAtMs;
    expect(await problemOf(response)).toMatchObject({ status: 504, code: "deadline_exceeded" });
    expect(tookMs).toBeGreaterThan(250);
    expect(tookMs).toBeLessThan(300 + SLACK_MS);
    await expect.poll(() => runningStatements(system), BOUND).toEqual([]);
    await lock.release();
    await expectServed(one, before);
  });

  test("each of many requests ends, and the origin serves others while the lock is held", async () => {
    const before = await stored();
    lock = await lockRow();
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        sendSigned(system, "/v1/orders", { ...(n % 2 === 0 ? post : keyed()), timeoutMs: 300 }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([504]));
    expect((await sendSigned(system, "/v1/products", { timeoutMs: 5_000 })).status).toBe(200);
    await expect.poll(() => runningStatements(system), BOUND).toEqual([]);
    await lock.release();
    expect(await stored()).toEqual(before);
    expect((await sendSigned(system, "/v1/orders", { ...post, timeoutMs: 5_000 })).status).toBe(201);
  });

  test("a request that waited for a connection runs no statement", async () => {
    const narrow = await startSystem({ originEnvironment: { DATABASE_MAX_CONNECTIONS: "2" } });
    const row = await holdProduct(narrow, productId);
    try {
      const answers = await Promise.all(
        Array.from({ length: 15 }, () => sendSigned(narrow, "/v1/orders", { ...post, timeoutMs: 300 })),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([504]));
      await row.release();
      await expect.poll(() => runningStatements(narrow), { ...BOUND, timeout: 10_000 }).toEqual([]);
      expect(await narrow.pool.query("SELECT id FROM orders")).toEqual([]);
    } finally {
      await row.release();
      await narrow.stop();
    }
  });
});

describe("a request without time left", () => {
  /** Whether it is a connection's last statement. */
  const hasRun = async (text: string): Promise<boolean> => {
    const found = await system.pool.query(
      "SELECT FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid() AND position($2 IN query) > 0",
      [system.databaseName, text],
    );
    return found.length > 0;
  };

  test("is 504 without a statement", async () => {
    const read = { principal: "alice", timeoutMs: 0 };
    const statement = "FROM orders o WHERE o.principal";
    const spent = await sendSigned(system, "/v1/orders", read);
    expect((await problemOf(spent)).code).toBe("deadline_exceeded");
    expect(await hasRun(statement)).toBe(false);
    // Background statements of the origin may follow on the same connection.
    const isSeenInTime = async (): Promise<boolean> => {
      expect((await sendSigned(system, "/v1/orders", { ...read, timeoutMs: 5_000 })).status).toBe(200);
      return await hasRun(statement);
    };
    await expect.poll(isSeenInTime, { timeout: 5_000 }).toBe(true);
  });

  test("places no order", async () => {
    const before = await stored();
    const response = await sendSigned(system, "/v1/orders", { ...post, timeoutMs: 0 });
    expect((await problemOf(response)).code).toBe("deadline_exceeded");
    expect(await stored()).toEqual(before);
  });
});

test.each(
  cases,
)("when its client disconnects, %s ends its statement long before its deadline", async (_, make) => {
  const one = make();
  const before = await stored();
  lock = await one.block();
  const disconnect = await beginSigned(system, one.path, { ...one.init, timeoutMs: 10_000 });
  await expect.poll(() => waitingCount(system), BOUND).toBe(1);
  disconnect();
  await expect.poll(() => runningStatements(system), BOUND).toEqual([]);
  await lock.release();
  await expectServed(one, before);
});
