/** Limits in the whole system: the Worker in workerd, its Redis, the contract's own limits. */
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { orders, perClient } from "#api/contract/limits.ts";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { limitsPublication, setOverride } from "../../src/origin/admin/limits.ts";
import { publish } from "../../src/origin/admin/publish.ts";
import { type Door, startDoor } from "../support/door.ts";
import { inParallel } from "../support/load.ts";
import { problemOf } from "../support/problem-of.ts";
import { type System, startSystem } from "../support/system.ts";

let redis: Door;
let system: System;
beforeAll(async () => {
  redis = await startDoor(inject("servers").redisUrl);
  system = await startSystem({
    redisUrl: redis.url,
    edgeEnvironment: { RATE_LIMITS: "enforce" },
  });
});
afterAll(async () => {
  // The system's cleanup needs Redis.
  await redis?.open();
  await system?.stop();
  await redis?.stop();
});

const read = (client: string): Promise<Response> =>
  system.call(`/v1/products/${sampleProductId(1)}`, { headers: { "x-local-client": client } });

test("a response has the limit and the remaining quota", async () => {
  const { headers } = await read("192.0.2.1");
  expect(headers.get("ratelimit-policy")).toBe('"catalogue";q=200;w=4');
  expect(headers.get("ratelimit")).toMatch(/^"catalogue";r=1\d\d;t=[01]$/);
});

test("a client above its limit is rejected, served again after Retry-After, and affects no other client", async () => {
  const client = "192.0.2.2";
  const rejected: Response[] = [];
  // Thirty at a time are faster than the refill.
  const turns = Array.from({ length: 1_200 }, (_, turn) => turn);
  await inParallel(turns, 30, async () => {
    if (rejected.length > 0) return;
    const answer = await read(client);
    if (answer.status === 429) rejected.push(answer);
    else expect(answer.status).toBe(200);
  });
  const [first] = rejected;
  if (first === undefined) throw new Error("no request was rejected");
  expect(await problemOf(first)).toMatchObject({
    code: "rate_limited",
    "violated-policies": [perClient.name],
  });
  expect((await read("192.0.2.3")).status).toBe(200);
  const retryAfterS = Number(first.headers.get("retry-after"));
  expect(retryAfterS).toBeGreaterThanOrEqual(1);
  await new Promise((resolve) => setTimeout(resolve, retryAfterS * 1_000));
  expect((await read(client)).status).toBe(200);
});

test("an override limits its principal, and no other one", async () => {
  const [alice, bob] = [await system.createKey("alice"), await system.createKey("bob")];
  const numbers = { capacity: 2, refillPerSecond: 0.01 };
  await setOverride(system.pool, { limitName: orders.name, principal: "alice", ...numbers });
  await publish(limitsPublication, system);
  const order = (key: string): Promise<Response> =>
    system.call("/v1/orders", {
      method: "POST",
      key,
      json: { lines: [{ productId: sampleProductId(6), quantity: 1 }] },
    });
  for (let turn = 0; turn < numbers.capacity; turn += 1) expect((await order(alice.key)).status).toBe(201);
  const rejected = await order(alice.key);
  expect(rejected.status).toBe(429);
  expect(rejected.headers.get("ratelimit-policy")).toContain('"orders";q=2;w=200');
  expect((await problemOf(rejected))["violated-policies"]).toEqual([orders.name]);
  expect((await order(bob.key)).status).toBe(201);
});

test("while Redis hangs, no request waits longer than its timeout, and the isolate limits on its own", async () => {
  redis.shut();
  const times: number[] = [];
  for (let turn = 0; turn < 30; turn += 1) {
    const sinceMs = performance.now();
    const answer = await read("192.0.2.4");
    times.push(performance.now() - sinceMs);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("ratelimit")).toContain('"catalogue";r=');
  }
  // 150 ms, and a margin for a busy machine.
  expect(Math.max(...times)).toBeLessThan(2_000);
  // Once the breaker is open, only probes wait.
  const [typicalMs = 0] = times
    .slice(-15)
    .toSorted((a, b) => a - b)
    .slice(7);
  expect(typicalMs).toBeLessThan(150);
  await redis.open();
});
