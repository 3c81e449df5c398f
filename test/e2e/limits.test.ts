/** Limits in the whole system: the worker in workerd, its Redis, the contract's own numbers. */
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { orders, perClient } from "../../src/contract/api/limits.ts";
import { limitsPublication, setOverride } from "../../src/origin/admin/limits.ts";
import { publish } from "../../src/origin/admin/publish.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type Door, startDoor } from "../support/door.ts";
import { problemOf } from "../support/problem-of.ts";
import { type System, startSystem } from "../support/system.ts";

let redis: Door;
let system: System;
beforeAll(async () => {
  redis = await startDoor(inject("servers").redisUrl);
  system = await startSystem({
    redisUrl: `http://127.0.0.1:${redis.port}`,
    edgeEnvironment: { RATE_LIMITS: "enforce" },
  });
});
afterAll(async () => {
  // What has to be dropped is dropped by way of it.
  await redis?.open();
  await system?.stop();
  await redis?.stop();
});

const read = (client: string): Promise<Response> =>
  system.call(`/v1/products/${sampleProductId(1)}`, { headers: { "x-local-client": client } });

/** Until one is refused, which it returns. */
const untilRefused = async (ask: () => Promise<Response>, most: number): Promise<Response> => {
  for (let turn = 0; turn < most; turn += 1) {
    const answer = await ask();
    if (answer.status === 429) return answer;
    await answer.arrayBuffer();
  }
  throw new Error(`none of ${most} was refused`);
};

test("an answer says what its client may do", async () => {
  const { headers } = await read("192.0.2.1");
  expect(headers.get("ratelimit-policy")).toBe('"catalogue";q=200;w=4');
  expect(headers.get("ratelimit")).toMatch(/^"catalogue";r=1\d\d;t=[01]$/);
});

describe("a client that reads too much", () => {
  test("is refused, and served again when it has waited as long as it was told", async () => {
    const client = "192.0.2.2";
    // Thirty at a time are faster than what comes back.
    const answers = await Promise.all(
      Array.from({ length: 30 }, async () => {
        let refused: Response | undefined;
        for (let turn = 0; turn < 40 && refused === undefined; turn += 1) {
          const answer = await read(client);
          if (answer.status === 429) refused = answer;
          else expect(answer.status).toBe(200);
        }
        return refused;
      }),
    );
    const refused = answers.find((answer) => answer !== undefined);
    if (refused === undefined) throw new Error("none was refused");
    expect(await problemOf(refused)).toMatchObject({
      code: "rate_limited",
      "violated-policies": [perClient.name],
    });
    const retryAfterS = Number(refused.headers.get("retry-after"));
    expect(retryAfterS).toBeGreaterThanOrEqual(1);
    await new Promise((resolve) => setTimeout(resolve, retryAfterS * 1_000));
    expect((await read(client)).status).toBe(200);
  });

  test("keeps nobody else from it", async () => {
    expect((await read("192.0.2.3")).status).toBe(200);
  });
});

test("a principal that may order little is refused from where it comes, and another one is not", async () => {
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
  const refused = await untilRefused(() => order(alice.key), 3);
  expect(refused.headers.get("ratelimit-policy")).toContain('"orders";q=2;w=200');
  expect((await problemOf(refused))["violated-policies"]).toEqual([orders.name]);
  expect((await order(bob.key)).status).toBe(201);
});

test("while Redis hangs nobody waits for it longer than its deadline, and the isolate limits by itself", async () => {
  redis.shut();
  const times: number[] = [];
  for (let turn = 0; turn < 30; turn += 1) {
    const sinceMs = performance.now();
    const answer = await read("192.0.2.4");
    times.push(performance.now() - sinceMs);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("ratelimit")).toContain('"catalogue";r=');
  }
  // 150 ms and what a busy machine adds; Redis itself would hang for good.
  expect(Math.max(...times)).toBeLessThan(2_000);
  // Once the breaker is open only its probes wait.
  const [typicalMs = 0] = times
    .slice(-15)
    .toSorted((a, b) => a - b)
    .slice(7);
  expect(typicalMs).toBeLessThan(150);
  await redis.open();
});
