import { afterAll, beforeAll, expect, expectTypeOf, test } from "vitest";
import { createClient } from "../../src/contract/client.ts";
import type { ProblemDetails } from "../../src/contract/problem.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
let client: ReturnType<typeof createClient>;

beforeAll(async () => {
  system = await startSystem();
  const { key } = await system.createKey("alice");
  client = createClient(system.edgeUrl, { headers: { authorization: `Bearer ${key}` } });
});
afterAll(() => system?.stop());

test("the typed client places an order and reads it back, each answer typed by its status", async () => {
  const json = { lines: [{ productId: sampleProductId(1), quantity: 2 }] };
  const placed = await client.v1.orders.$post({ json });
  if (placed.status !== 201) throw new Error(`not placed: ${placed.status}`);
  const order = await placed.json();
  expectTypeOf(order.total.amount).toEqualTypeOf<number>();
  expectTypeOf(order.status).toEqualTypeOf<"placed" | "cancelled">();

  const read = await client.v1.orders[":id"].$get({ param: { id: order.id } });
  expect(await read.json()).toEqual(order);
});

test("the typed client gives a refusal as a problem", async () => {
  const answer = await client.v1.products[":id"].$get({ param: { id: crypto.randomUUID() }, header: {} });
  if (answer.status !== 404) throw new Error(`not refused: ${answer.status}`);
  const problem = await answer.json();
  expectTypeOf(problem.code).toEqualTypeOf<ProblemDetails["code"]>();
  expect(problem.code).toBe("not_found");
});

test("the typed client does not take what the contract does not know", () => {
  type Argument = Parameters<typeof client.v1.orders.$post>[0];
  expectTypeOf<{ json: { lines: { productId: string; quantity: number }[] } }>().toExtend<Argument>();
  expectTypeOf<{ json: { products: string[] } }>().not.toExtend<Argument>();
  expectTypeOf(client.v1).not.toHaveProperty("customers");
});
