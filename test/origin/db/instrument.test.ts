import { describe, expect, test } from "vitest";
import { type DataOperation, observed, statementOperations } from "../../../src/origin/db/instrument.ts";

const PING: DataOperation = { system: "redis", operation: "PING" };

/** Records every report. */
const recording = () => {
  const begun: DataOperation[] = [];
  const ended: { readonly error: unknown; readonly durationMs: number }[] = [];
  return {
    begun,
    ended,
    observe: (operation: DataOperation) => {
      begun.push(operation);
      return (error: unknown, durationMs: number) => void ended.push({ error, durationMs });
    },
  };
};

describe("an operation", () => {
  test("is reported when it begins and when it ends, and returns its result", async () => {
    const { begun, ended, observe } = recording();
    const work = Promise.withResolvers<string>();
    const result = observed(observe, PING, () => work.promise);
    expect(begun).toEqual([PING]);
    expect(ended).toEqual([]);
    work.resolve("PONG");
    expect(await result).toBe("PONG");
    expect(ended).toEqual([{ error: undefined, durationMs: expect.any(Number) }]);
    expect(ended[0]?.durationMs).toBeGreaterThanOrEqual(0);
  });

  test("that fails is reported with its error, and throws it", async () => {
    const { ended, observe } = recording();
    const error = new Error("down");
    await expect(observed(observe, PING, () => Promise.reject(error))).rejects.toBe(error);
    expect(ended).toMatchObject([{ error }]);
  });

  test("that throws synchronously is reported too", async () => {
    const { ended, observe } = recording();
    const error = new Error("the breaker is open");
    const work = (): Promise<never> => {
      throw error;
    };
    await expect(observed(observe, PING, work)).rejects.toBe(error);
    expect(ended).toMatchObject([{ error }]);
  });
});

describe("a statement", () => {
  const operationOf = statementOperations();

  test.each<[string, string, string | undefined]>([
    ["SELECT name FROM products WHERE id = $1", "SELECT", "products"],
    ["  select 1", "SELECT", undefined],
    ["INSERT INTO orders (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET id = $1", "INSERT", "orders"],
    ["UPDATE products SET stock = stock - $1 WHERE id = $2", "UPDATE", "products"],
    ["DELETE FROM blocks WHERE expires_at < now()", "DELETE", "blocks"],
    ["MERGE INTO stock USING line ON stock.id = line.id", "MERGE", "stock"],
    ["WITH due AS (SELECT id FROM outbox) UPDATE outbox SET attempts = 1", "WITH", "outbox"],
    ["(SELECT 1 FROM a) UNION (SELECT 2 FROM b)", "SELECT", "a"],
    ["SELECT count(*) FROM shop.products", "SELECT", "shop.products"],
    ["SELECT id FROM products ORDER BY id FOR UPDATE", "SELECT", "products"],
    ["COMMIT", "COMMIT", undefined],
    ["ROLLBACK", "ROLLBACK", undefined],
    ["CREATE TABLE made_up (id int)", "OTHER", undefined],
    ["", "OTHER", undefined],
  ])("%s is %s on %s", (text, operation, collection) => {
    expect(operationOf(text)).toMatchObject({ system: "postgresql", operation, collection });
  });

  // As in the outbox, its cleanup and the idempotency records.
  test.each<[string, string]>([
    ["SELECT id FROM outbox ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED", "outbox"],
    ["SELECT id FROM orders o JOIN lines l USING (id) FOR UPDATE OF o", "orders"],
    ["SELECT id FROM products FOR NO KEY UPDATE NOWAIT", "products"],
    ["WITH due AS (SELECT id FROM outbox FOR UPDATE SKIP LOCKED) DELETE FROM dead USING due", "dead"],
    ["SELECT (extract(epoch FROM expires_at) * 1000) AS ms FROM blocks", "blocks"],
  ])("%s is on %s", (text, collection) => {
    expect(operationOf(text).collection).toBe(collection);
  });

  test("is reported on one line, with placeholders instead of values", () => {
    const text = "SELECT name\n    FROM products\n   WHERE id = $1\n";
    expect(operationOf(text).text).toBe("SELECT name FROM products WHERE id = $1");
  });
});
