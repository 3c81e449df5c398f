import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Order } from "#api/contract/orders.ts";
import { problem } from "../../src/contract/problem.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { cleanRecords, runOnce } from "../../src/origin/middleware/idempotency.ts";
import { hold, holdProduct, runningStatements, waitingCount } from "../support/locks.ts";
import { problemOf } from "../support/problem-of.ts";
import { addProduct, orderCount, stockOf } from "../support/products.ts";
import { beginSigned, sendSigned } from "../support/signed-request.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
let alice: string;
let bob: string;

beforeAll(async () => {
  system = await startSystem({ origins: 2 });
  alice = (await system.createKey("alice")).key;
  bob = (await system.createKey("bob")).key;
});
afterAll(() => system?.stop());

interface Buying {
  readonly quantity?: number;
  /** An API key. */
  readonly by?: string;
}

const buy = (key: string, productId: string, { quantity = 1, by = alice }: Buying = {}): Promise<Response> =>
  system.call("/v1/orders", {
    method: "POST",
    key: by,
    json: { lines: [{ productId, quantity }] },
    headers: { "idempotency-key": key },
  });

const cancel = (key: string, id: string): Promise<Response> =>
  system.call(`/v1/orders/${id}/cancel`, { method: "POST", key: alice, headers: { "idempotency-key": key } });

const newKey = (): string => crypto.randomUUID();

/** The parts of a response that every replay repeats. */
const answerOf = async (response: Response) => ({
  status: response.status,
  type: response.headers.get("content-type"),
  location: response.headers.get("location"),
  body: await response.text(),
});

const isReplay = ({ headers }: Response): boolean => headers.get("idempotency-replayed") === "true";

/** A problem without its request id, which changes. */
const problemWithoutId = async (response: Response) => {
  const { requestId: _, ...problem } = await problemOf(response);
  return problem;
};

const hasRecord = async (key: string): Promise<boolean> =>
  (await system.pool.query("SELECT FROM idempotency_records WHERE key = $1", [key])).length > 0;

const expire = (key: string): Promise<unknown> =>
  system.pool.query(
    "UPDATE idempotency_records SET expires_at = now() - interval '1 second' WHERE key = $1",
    [key],
  );

describe("a repeated key", () => {
  test("gets the same response byte for byte, marked as a replay, and takes stock once", async () => {
    const [key, productId] = [newKey(), await addProduct(system, alice, 10)];
    const first = await buy(key, productId);
    expect(first.status).toBe(201);
    expect(isReplay(first)).toBe(false);
    const answer = await answerOf(first);
    expect(answer.location).toBe(`/v1/orders/${Order.parse(JSON.parse(answer.body)).id}`);
    for (const _ of [1, 2, 3]) {
      const again = await buy(key, productId);
      expect(isReplay(again)).toBe(true);
      expect(await answerOf(again)).toEqual(answer);
    }
    expect(await stockOf(system, productId)).toBe(9);
  });

  test("with another body is 422, and does nothing", async () => {
    const [key, productId] = [newKey(), await addProduct(system, alice, 10)];
    const answer = await answerOf(await buy(key, productId));
    const other = await buy(key, productId, { quantity: 2 });
    expect(other.status).toBe(422);
    expect((await problemOf(other)).code).toBe("idempotency_key_reused");
    expect(await stockOf(system, productId)).toBe(9);
    expect(await answerOf(await buy(key, productId))).toEqual(answer);
  });

  test("from another principal is independent", async () => {
    const [key, productId] = [newKey(), await addProduct(system, alice, 10)];
    const alices = Order.parse(await (await buy(key, productId)).json());
    const response = await buy(key, productId, { by: bob });
    expect(response.status).toBe(201);
    expect(isReplay(response)).toBe(false);
    const bobs = Order.parse(await response.json());
    expect(bobs.id).not.toBe(alices.id);
    expect(await stockOf(system, productId)).toBe(8);
    // Each gets their own again.
    expect(await (await buy(key, productId)).json()).toEqual(alices);
    expect(await (await buy(key, productId, { by: bob })).json()).toEqual(bobs);
  });

  test("on another route is 422, and cancels nothing", async () => {
    const [key, productId] = [newKey(), await addProduct(system, alice, 10)];
    const { id } = Order.parse(await (await buy(key, productId)).json());
    expect((await problemOf(await cancel(key, id))).code).toBe("idempotency_key_reused");
    expect(await stockOf(system, productId)).toBe(9);
  });

  test("of the edge's own retry waits for its first attempt, and gets the same response", async () => {
    const [key, productId] = [newKey(), await addProduct(system, alice, 10)];
    const lock = await holdProduct(system, productId);
    const json = { lines: [{ productId, quantity: 1 }] };
    const attempt = (number: number): Promise<Response> =>
      sendSigned(system, "/v1/orders", {
        method: "POST",
        json,
        principal: "alice",
        timeoutMs: 10_000,
        attempt: number,
        headers: { "idempotency-key": key },
      });
    const first = attempt(1);
    await expect.poll(() => waitingCount(system)).toBe(1);
    const second = attempt(2);
    try {
      await expect.poll(() => waitingCount(system)).toBe(2);
    } finally {
      await lock.release();
    }
    const [answer, again] = await Promise.all([first, second]);
    expect([answer.status, again.status]).toEqual([201, 201]);
    expect(isReplay(again)).toBe(true);
    expect(await again.text()).toBe(await answer.text());
    expect(await stockOf(system, productId)).toBe(9);
  });

  test("while the first request is in flight is 409 at once, and later gets the first response", async () => {
    const [key, productId] = [newKey(), await addProduct(system, alice, 10)];
    const lock = await holdProduct(system, productId);
    const pending = buy(key, productId);
    try {
      await expect.poll(() => waitingCount(system)).toBe(1);
      const answers = await Promise.all([buy(key, productId), buy(key, productId, { quantity: 2 })]);
      for (const answer of answers) {
        expect(answer.headers.get("retry-after")).toBe("1");
        expect((await problemOf(answer)).code).toBe("idempotency_key_in_use");
      }
      expect(await waitingCount(system)).toBe(1);
    } finally {
      await lock.release();
    }
    const first = await pending;
    expect(first.status).toBe(201);
    const again = await buy(key, productId);
    expect(isReplay(again)).toBe(true);
    expect(await answerOf(again)).toEqual(await answerOf(first));
    expect(await stockOf(system, productId)).toBe(9);
  });
});

describe("a rejection", () => {
  test("for lack of stock is replayed for its key, even after restocking", async () => {
    const [key, productId] = [newKey(), await addProduct(system, alice, 1)];
    const first = await buy(key, productId, { quantity: 2 });
    expect(isReplay(first)).toBe(false);
    const rejection = await problemWithoutId(first);
    expect(rejection).toMatchObject({
      status: 409,
      code: "out_of_stock",
      errors: [{ detail: "Only 1 left" }],
    });
    await system.pool.query("UPDATE products SET stock = 50 WHERE id = $1", [productId]);
    const again = await buy(key, productId, { quantity: 2 });
    expect(isReplay(again)).toBe(true);
    expect(await problemWithoutId(again)).toEqual(rejection);
    expect(await orderCount(system, productId)).toBe(0);
    expect(await stockOf(system, productId)).toBe(50);
    expect((await buy(newKey(), productId, { quantity: 2 })).status).toBe(201);
  });

  test("by a handler undoes the handler's writes, and is stored", async () => {
    const id = crypto.randomUUID();
    const invalidated = new Set<string>();
    const keyed = { principal: "alice", key: newKey(), fingerprint: "f", isRetry: false, invalidated };
    let runs = 0;
    const serve = () =>
      runOnce(system.pool, keyed, async (transaction) => {
        runs += 1;
        await transaction.query(
          "INSERT INTO products (id, name, description, price_minor, stock) VALUES ($1, 'Half', '', 1, 1)",
          [id],
        );
        return problem("out_of_stock", { detail: "Half of it" });
      });
    const rejection = { code: "out_of_stock", detail: "Half of it" };
    expect(await serve()).toEqual(rejection);
    expect(await serve()).toEqual({ ...rejection, headers: { "idempotency-replayed": "true" } });
    expect(runs).toBe(1);
    expect(await stockOf(system, id)).toBeUndefined();
  });

  test("by the contract does not use up the key", async () => {
    const [key, productId] = [newKey(), await addProduct(system, alice, 5)];
    expect((await problemOf(await buy(key, productId, { quantity: 0 }))).code).toBe("invalid_request");
    expect((await buy(key, productId)).status).toBe(201);
  });
});

describe("a key of", () => {
  test.each([
    ["no characters", ""],
    ["nothing in quotes", '""'],
    ["256 characters", "k".repeat(256)],
    ["256 characters in quotes", `"${"k".repeat(256)}"`],
    ["spaces inside", "one two"],
    ["an unclosed quote", '"one'],
    ["non-ASCII characters", "schlüssel"],
  ])("%s is 400, and the problem names the field", async (_, key) => {
    const response = await buy(key, crypto.randomUUID());
    expect(await problemOf(response)).toMatchObject({
      status: 400,
      code: "invalid_request",
      errors: [{ in: "header", field: "idempotency-key" }],
    });
  });

  test("255 characters is valid, with and without quotes", async () => {
    const [key, productId] = [newKey().padEnd(255, "!"), await addProduct(system, alice, 5)];
    expect((await buy(key, productId)).status).toBe(201);
    expect(isReplay(await buy(`"${key}"`, productId))).toBe(true);
  });
});

test("five concurrent cancellations with one key and three later ones cancel once, with one response", async () => {
  const [key, productId] = [newKey(), await addProduct(system, alice, 10)];
  const { id } = Order.parse(await (await buy(newKey(), productId, { quantity: 4 })).json());
  expect(await stockOf(system, productId)).toBe(6);
  const atOnce = await Promise.all([1, 2, 3, 4, 5].map(() => cancel(key, id)));
  const done = atOnce.filter(({ status }) => status === 200);
  expect(done.filter((response) => !isReplay(response))).toHaveLength(1);
  const others = await Promise.all(atOnce.filter(({ status }) => status !== 200).map(problemOf));
  expect(others.filter(({ code }) => code !== "idempotency_key_in_use")).toEqual([]);

  const answers = await Promise.all(done.map(answerOf));
  for (const _ of [1, 2, 3]) {
    const again = await cancel(key, id);
    expect(isReplay(again)).toBe(true);
    answers.push(await answerOf(again));
  }
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(answers[0]).toMatchObject({ status: 200 });
  expect(await stockOf(system, productId)).toBe(10);
  expect((await problemOf(await cancel(newKey(), id))).code).toBe("order_not_cancellable");
});

describe("a record", () => {
  test("that has expired is ignored, for the same body and for another one", async () => {
    const [key, productId] = [newKey(), await addProduct(system, alice, 10)];
    const first = Order.parse(await (await buy(key, productId)).json());
    await expire(key);
    const second = await buy(key, productId);
    expect(isReplay(second)).toBe(false);
    expect(Order.parse(await second.json()).id).not.toBe(first.id);
    await expire(key);
    const third = await buy(key, productId, { quantity: 3 });
    expect(third.status).toBe(201);
    expect(isReplay(await buy(key, productId, { quantity: 3 }))).toBe(true);
    expect(await stockOf(system, productId)).toBe(5);
  });

  test("that has expired is removed, unless a transaction has locked it", async () => {
    // All have expired but the last.
    await system.pool.query(
      `INSERT INTO idempotency_records (principal, key, fingerprint, answer, expires_at)
       SELECT 'cleaning', 'old-' || n, '', '{}', now() + CASE WHEN n > 2500 THEN '1 hour' ELSE '-1 hour' END::interval
       FROM generate_series(1, 2501) AS n`,
    );
    const left = async (): Promise<string[]> => {
      const rows = await system.pool.query<{ key: string }>(
        "SELECT key FROM idempotency_records WHERE principal = 'cleaning' ORDER BY key",
      );
      return rows.map(({ key }) => key);
    };
    const lock = await hold(
      system.databaseUrl,
      "SELECT FROM idempotency_records WHERE key = 'old-1200' FOR UPDATE",
    );
    try {
      await cleanRecords(system.pool, createLog("silent"));
      expect(await left()).toEqual(["old-1200", "old-2501"]);
    } finally {
      await lock.release();
    }
    await cleanRecords(system.pool, createLog("silent"));
    expect(await left()).toEqual(["old-2501"]);
  });

  test("does not remain of a write that lost its connection, and the edge's next attempt makes the write", async () => {
    const [key, productId] = [newKey(), await addProduct(system, alice, 10)];
    const lock = await holdProduct(system, productId);
    const waitingPid = async (): Promise<number | undefined> =>
      (await runningStatements(system)).find(({ isWaiting }) => isWaiting)?.pid;
    const pending = buy(key, productId);
    try {
      const lost = await vi.waitUntil(waitingPid, { timeout: 5_000 });
      await system.pool.query("SELECT pg_terminate_backend($1)", [lost]);
      await expect.poll(async () => ![undefined, lost].includes(await waitingPid())).toBe(true);
      expect(await hasRecord(key)).toBe(false);
    } finally {
      await lock.release();
    }
    const answer = await pending;
    expect(answer.status).toBe(201);
    expect(isReplay(answer)).toBe(false);
    expect(await stockOf(system, productId)).toBe(9);
    expect(isReplay(await buy(key, productId))).toBe(true);
  });
});

/** Everything is written, and COMMIT waits for the test. */
describe("between the last statement and the answer", () => {
  beforeAll(() =>
    system.pool.transaction((transaction) =>
      transaction.script(`
        CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN PERFORM pg_advisory_xact_lock_shared(1, 2); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER wait_for_test AFTER UPDATE ON idempotency_records
          DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_test();`),
    ),
  );

  const untilNothingRuns = () =>
    expect.poll(() => runningStatements(system), { timeout: 8_000, interval: 20 }).toEqual([]);

  interface Waiting {
    readonly disconnect: () => void;
    readonly pid: number;
  }

  /** Runs until COMMIT waits, interrupts it, and returns the outcome of the next try. */
  const interrupted = async (timeoutMs: number, end: (waiting: Waiting) => Promise<unknown>) => {
    const [key, productId] = [newKey(), await addProduct(system, alice, 10)];
    const lock = await hold(system.databaseUrl, "SELECT pg_advisory_xact_lock(1, 2)");
    try {
      const disconnect = await beginSigned(system, "/v1/orders", {
        method: "POST",
        principal: "alice",
        json: { lines: [{ productId, quantity: 1 }] },
        headers: { "idempotency-key": key },
        timeoutMs,
      });
      // The outbox's workers have statements too.
      const waitingCommit = async () =>
        (await runningStatements(system)).find(({ query, isWaiting }) => query === "COMMIT" && isWaiting);
      const { pid } = await vi.waitUntil(waitingCommit, { timeout: 5_000 });
      await end({ disconnect, pid });
    } finally {
      await lock.release();
    }
    await untilNothingRuns();
    // While the edge still tries an origin that was killed, some responses are 503.
    const isAccepted = async (): Promise<Response | undefined> => {
      const response = await buy(key, productId);
      return response.status === 503 ? undefined : response;
    };
    const retried = await vi.waitUntil(isAccepted, { timeout: 10_000, interval: 10 });
    expect(retried.status).toBe(201);
    expect(await orderCount(system, productId)).toBe(1);
    expect(await stockOf(system, productId)).toBe(9);
    return { isReplayed: isReplay(retried) };
  };

  test.each<[what: string, timeoutMs: number, end: (waiting: Waiting) => unknown]>([
    ["a lost connection", 10_000, ({ pid }) => system.pool.query("SELECT pg_terminate_backend($1)", [pid])],
    ["a client that disconnects", 10_000, ({ disconnect }) => disconnect()],
    ["a deadline that passes", 1_500, () => undefined],
  ])("%s leaves nothing, and the next try is the first", async (_, timeoutMs, end) => {
    const next = await interrupted(timeoutMs, async (waiting) => {
      await end(waiting);
      await untilNothingRuns();
    });
    expect(next).toEqual({ isReplayed: false });
  });

  // The last test, because it kills one of the two origins.
  test("a killed origin leaves nothing, and the next try is the first", async () => {
    const next = await interrupted(10_000, async () => {
      const [origin] = system.origins;
      if (origin !== undefined) await origin.kill();
      await untilNothingRuns();
    });
    expect(next).toEqual({ isReplayed: false });
  });
});
