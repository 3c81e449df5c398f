import { expect, vi } from "vitest";
import { Product } from "../../src/contract/api/products.ts";
import type { System } from "./system.ts";

/** Adds a product of a name of its own; returns its id. */
export const addProduct = async (system: System, key: string, stock: number): Promise<string> => {
  const json = { name: `Limited ${crypto.randomUUID()}`, price: { amount: 100, currency: "EUR" }, stock };
  const response = await vi.waitUntil(
    async () => {
      const answer = await system.call("/v1/products", { method: "POST", key, json });
      // After a loss, a breaker is open for a moment.
      return answer.status !== 503 && answer;
    },
    { timeout: 15_000, interval: 200 },
  );
  expect(response.status).toBe(201);
  return Product.parse(await response.json()).id;
};

/** What is left of it, as the database has it. */
export const stockOf = async ({ pool }: System, id: string): Promise<number | undefined> =>
  (await pool.query<{ stock: number }>("SELECT stock FROM products WHERE id = $1", [id]))[0]?.stock;
