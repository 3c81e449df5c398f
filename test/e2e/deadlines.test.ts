import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type Hold, hold, holdProduct, runningStatements, waitingCount } from "../support/locks.ts";
import { problemOf } from "../support/problem-of.ts";
import { beginSigned, type SignedInit, sendSigned } from "../support/signed-request.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
let held: Hold | undefined;

beforeAll(async () => {
  system = await startSystem();
});
afterEach(() => held?.release());
afterAll(() => system?.stop());

const productId = sampleProductId(1);
const post = { method: "POST", principal: "alice", json: { lines: [{ productId, quantity: 1 }] } };

interface Case {
  readonly path: string;
  readonly init: Omit<SignedInit, "timeoutMs">;
  /** Makes the request's statement wait. */
  readonly block: () => Promise<Hold>;
  readonly served: number;
}

const lockTable = () => hold(system.databaseUrl, "LOCK TABLE products IN ACCESS EXCLUSIVE MODE");
const lockRow = () => holdProduct(system, productId);

const cases: readonly (readonly [string, () => Case])[] = [
  ["a read", () => ({ path: "/v1/products?limit=1", init: {}, block: lockTable, served: 200 })],
  ["an order", () => ({ path: "/v1/orders", init: post, block: lockRow, served: 201 })],
  [
    "an order with a key",
    () => ({
      path: "/v1/orders",
      init: { ...post, headers: { "idempotency-key": crypto.randomUUID() } },
      block: lockRow,
      served: 201,
    }),
  ],
];

/** For so long after the deadline an answer may come on a machine that has other things to do. */
const SLACK_MS = 1_500;
const BOUND = { timeout: 2_000, interval: 20 };

const count = async (table: "orders" | "idempotency_records"): Promise<number> =>
  (await system.pool.query(`SELECT FROM ${table}`)).length;

/** Nothing was ordered, nothing is remembered, and the same request is served as if it were the first. */
const expectServing = async ({ path, init, served }: Case, before: readonly number[]): Promise<void> => {
  expect([await count("orders"), await count("idempotency_records")]).toEqual(before);
  const response = await sendSigned(system, path, { ...init, timeoutMs: 10_000 });
  expect(response.status).toBe(served);
  expect(response.headers.has("idempotency-replayed")).toBe(false);
};

describe("at its deadline", () => {
  test.each(
    cases,
  )("%s is answered 504, and its statement ends although its lock is still held", async (_, make) => {
    const one = make();
    const before = [await count("orders"), await count("idempotency_records")];
    held = await one.block();
    const beganAtMs = performance.now();
    const response = await sendSigned(system, one.path, { ...one.init, timeoutMs: 300 });
    const tookMs = performance.now() - beganAtMs;
    expect(await problemOf(response)).toMatchObject({ status: 504, code: "deadline_exceeded" });
    expect(tookMs).toBeGreaterThan(250);
    expect(tookMs).toBeLessThan(300 + SLACK_MS);
    await expect.poll(() => runningStatements(system), BOUND).toEqual([]);
    await held.release();
    await expectServing(one, before);
  });

  test("many requests at once end, and the origin serves on while the lock is held", async () => {
    const before = [await count("orders"), await count("idempotency_records")];
    held = await lockRow();
    const keyed = () => ({ ...post, headers: { "idempotency-key": crypto.randomUUID() } });
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        sendSigned(system, "/v1/orders", { ...(n % 2 === 0 ? post : keyed()), timeoutMs: 300 }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([504]));
    expect((await sendSigned(system, "/v1/products", { timeoutMs: 5_000 })).status).toBe(200);
    await expect.poll(() => runningStatements(system), BOUND).toEqual([]);
    await held.release();
    expect([await count("orders"), await count("idempotency_records")]).toEqual(before);
    expect((await sendSigned(system, "/v1/orders", { ...post, timeoutMs: 5_000 })).status).toBe(201);
  });

  test("what waited behind another statement is not begun afterwards", async () => {
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

describe("a request that arrives with no time left", () => {
  /** A connection's last statement stays to be seen. */
  const hasSeen = async (text: string): Promise<boolean> => {
    const seen = await system.pool.query(
      "SELECT FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid() AND position($2 IN query) > 0",
      [system.databaseName, text],
    );
    return seen.length > 0;
  };

  test("is answered 504 without a statement", async () => {
    const read = { principal: "alice", timeoutMs: 0 };
    const statement = "FROM orders o WHERE o.principal";
    const spent = await sendSigned(system, "/v1/orders", read);
    expect((await problemOf(spent)).code).toBe("deadline_exceeded");
    expect(await hasSeen(statement)).toBe(false);
    // What an origin does by itself may come behind it on the same connection.
    const isSeenInTime = async (): Promise<boolean> => {
      expect((await sendSigned(system, "/v1/orders", { ...read, timeoutMs: 5_000 })).status).toBe(200);
      return await hasSeen(statement);
    };
    await expect.poll(isSeenInTime, { timeout: 5_000 }).toBe(true);
  });

  test("orders nothing", async () => {
    const before = await count("orders");
    const response = await sendSigned(system, "/v1/orders", { ...post, timeoutMs: 0 });
    expect((await problemOf(response)).code).toBe("deadline_exceeded");
    expect(await count("orders")).toBe(before);
  });
});

describe("when its client goes away", () => {
  test.each(cases)("%s has its statement ended long before its deadline", async (_, make) => {
    const one = make();
    const before = [await count("orders"), await count("idempotency_records")];
    held = await one.block();
    const goAway = await beginSigned(system, one.path, { ...one.init, timeoutMs: 10_000 });
    await expect.poll(() => waitingCount(system), BOUND).toBe(1);
    goAway();
    await expect.poll(() => runningStatements(system), BOUND).toEqual([]);
    await held.release();
    await expectServing(one, before);
  });
});
