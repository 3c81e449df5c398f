/** One route cannot take all database connections. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { hold } from "../support/locks.ts";
import { problemOf } from "../support/problem-of.ts";
import { call, type System, startSystem } from "../support/system.ts";

/** More than the origin has connections. */
const SEARCHES = 30;

let system: System;
let key: string;
/** The URL of an origin without an edge. */
let guarding: string;

beforeAll(async () => {
  system = await startSystem();
  guarding = (await system.startOrigin({ GUARDS: "origin" })).url;
  key = (await system.createKey("alice")).key;
});
afterAll(() => system?.stop());

test.each([
  ["through the edge", () => system.edgeUrl],
  ["at an origin that guards itself", () => guarding],
])("while searches hang, most of them are 503 after a second, and other routes are served: %s", async (_, urlOf) => {
  const ask = (path: string, init = {}): Promise<Response> => call(urlOf(), path, init);
  expect((await ask("/v1/orders", { key })).status).toBe(200);
  const lock = await hold(system.databaseUrl, "LOCK TABLE products IN ACCESS EXCLUSIVE MODE");
  try {
    const searches = Array.from({ length: SEARCHES }, () => ask(`/v1/products?q=${crypto.randomUUID()}`));
    const first = await Promise.race(searches);
    expect(first.status).toBe(503);
    expect(first.headers.get("retry-after")).toBe("1");
    expect([...first.headers.keys()].filter((name) => name.startsWith("breakwater-"))).toEqual([]);
    expect((await problemOf(first.clone())).code).toBe("unavailable");
    expect((await ask("/v1/orders", { key })).status).toBe(200);
    await lock.release();
    // Those that ran have their results, unless their deadline has passed.
    for (const { status } of await Promise.all(searches)) expect(status).toBeOneOf([200, 503, 504]);
  } finally {
    await lock.release();
  }
});
