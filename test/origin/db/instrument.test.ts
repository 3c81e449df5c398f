import { describe, expect, test } from "vitest";
import { type DataOperation, observed, statementOperations } from "../../../src/origin/db/instrument.ts";

const PING: DataOperation = { system: "redis", operation: "PING" };

describe("an operation", () => {
  /** The operation, then the error and the duration. */
  let reports: unknown[];
  const observe = (operation: DataOperation) => {
    reports = [operation];
    return (...end: [error: unknown, durationMs: number]) => void reports.push(...end);
  };

  test("is reported when it begins and when it ends, and returns its result", async () => {
    const work = Promise.withResolvers<string>();
    const result = observed(observe, PING, () => work.promise);
    expect(reports).toEqual([PING]);
    work.resolve("PONG");
    expect(await result).toBe("PONG");
    expect(reports).toEqual([PING, undefined, expect.any(Number)]);
  });

  const error = new Error("down");
  const fail = (): never => {
    throw error;
  };
  test.each([
    ["asynchronously", async () => fail()],
    ["synchronously", fail],
  ])("that fails %s is reported with its error, and throws it", async (_, work) => {
    await expect(observed(observe, PING, work)).rejects.toBe(error);
    expect(reports).toEqual([PING, error, expect.any(Number)]);
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
    // As in the outbox, its cleanup and the idempotency records.
    ["SELECT id FROM outbox ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED", "SELECT", "outbox"],
    ["SELECT id FROM orders o JOIN lines l USING (id) FOR UPDATE OF o", "SELECT", "orders"],
    ["SELECT id FROM products FOR NO KEY UPDATE NOWAIT", "SELECT", "products"],
    ["WITH due AS (SELECT id FROM outbox FOR UPDATE SKIP LOCKED) DELETE FROM dead USING due", "WITH", "dead"],
    ["SELECT (extract(epoch FROM expires_at) * 1000) AS ms FROM blocks", "SELECT", "blocks"],
  ])("%s is %s on %s", (text, operation, collection) => {
    expect(operationOf(text)).toMatchObject({ system: "postgresql", operation, collection });
  });

  test("is reported on one line, with placeholders instead of values", () => {
    const text = "SELECT name\n    FROM products\n   WHERE id = $1\n";
    expect(operationOf(text).text).toBe("SELECT name FROM products WHERE id = $1");
  });
});
