/** Limits in the whole system: the Worker in workerd, its Redis, the contract's own limits. */
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { orders } from "#api/contract/limits.ts";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { type Door, startDoor } from "../../src/local/door.ts";
import { limitsPublication, setOverride } from "../../src/origin/admin/limits.ts";
import { publish } from "../../src/origin/admin/publish.ts";
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
  expect(headers.get("ratelimit")).toMatch(/^"catalogue";r=(1\d\d|200);t=[01]$/);
});

test("a principal above its override is rejected, served again after Retry-After, and affects no other principal", async () => {
  const [alice, bob] = [await system.createKey("alice"), await system.createKey("bob")];
  const numbers = { capacity: 2, refillPerSecond: 0.2 };
  await setOverride(system.pool, { limitName: orders.name, principal: "alice", ...numbers });
  await publish(limitsPublication, system);
  const order = (key: string): Promise<Response> =>
    system.call("/v1/orders", {
      method: "POST",
      key,
      json: { lines: [{ productId: sampleProductId(6), quantity: 1 }] },
    });
  const admitted: number[] = [];
  let answer = await order(alice.key);
  // On a slow machine the bucket may gain a token on the way.
  for (; answer.status !== 429 && admitted.length < 20; answer = await order(alice.key))
    admitted.push(answer.status);
  expect(answer.status).toBe(429);
  expect(admitted.length).toBeGreaterThanOrEqual(numbers.capacity);
  expect(new Set(admitted)).toEqual(new Set([201]));
  expect(answer.headers.get("ratelimit-policy")).toContain('"orders";q=2;w=10');
  expect(await problemOf(answer)).toMatchObject({
    code: "rate_limited",
    "violated-policies": [orders.name],
  });
  expect((await order(bob.key)).status).toBe(201);
  const retryAfterS = Number(answer.headers.get("retry-after"));
  expect(retryAfterS).toBeGreaterThanOrEqual(1);
  await new Promise((resolve) => setTimeout(resolve, retryAfterS * 1_000));
  expect((await order(alice.key)).status).toBe(201);
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
