/** An origin proves that it has not executed a request, so that the edge retries even a write elsewhere. */
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { contract } from "../../src/contract/contract.ts";
import { OPERATOR_SCOPE } from "../../src/contract/policy.ts";
import { scopesOf } from "../../src/contract/route.ts";
import { freePort } from "../../src/local/free-port.ts";
import { type OriginProcess, runOrigin } from "../support/origin-process.ts";
import { call, type System, startSystem } from "../support/system.ts";

const ORDERS = 20;
const TIMEOUT_MS = 60_000;

let system: System;
/** It has no database, and so executes nothing. */
let unready: OriginProcess;
let edge: string;

beforeAll(async () => {
  system = await startSystem();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const { redisUrl, redisToken } = inject("servers");
  unready = runOrigin({
    environment: {
      REDIS_URL: redisUrl,
      REDIS_TOKEN: redisToken,
      REDIS_KEY_PREFIX: system.keyPrefix,
      PORT: String(port),
      ORIGIN_AUTHORITIES: new URL(url).host,
      SIGNING_KEYS: system.signingKeys,
    },
  });
  await unready.addresses();
  edge = await system.startEdge({ ORIGINS: [url, system.origins[0]?.url].join() });
});
afterAll(async () => {
  await unready?.kill();
  await system?.stop();
});

/** If Redis does not confirm within 100 ms that no other pod has the request, the origin cannot prove anything. */
const UNPROVEN = "origin 0, refused";
const PROVEN = "origin 0, not_executed";

const order = (key: string): Promise<Response> =>
  call(edge, "/v1/orders", {
    method: "POST",
    key,
    json: { lines: [{ productId: sampleProductId(1), quantity: 1 }] },
    headers: { "breakwater-explain": "attempts" },
  });

test("a write without an idempotency key is retried elsewhere if the first origin is not ready, and is made once", async () => {
  const { key } = await system.createKey("alice", [...scopesOf(contract), OPERATOR_SCOPE]);
  const untilMs = performance.now() + TIMEOUT_MS;
  let created = 0;
  let retried = 0;
  while ((created < ORDERS || retried === 0) && performance.now() < untilMs) {
    const response = await order(key);
    const timing = response.headers.get("server-timing") ?? "";
    const expected = timing.includes(UNPROVEN) ? 503 : 201;
    expect(response.status, `${timing} ${await response.text()}`).toBe(expected);
    if (response.status === 201) created += 1;
    if (timing.includes(PROVEN)) retried += 1;
  }
  expect(created).toBeGreaterThanOrEqual(ORDERS);
  expect(retried).toBeGreaterThan(0);
  const [placed] = await system.pool.query<{ orders: number }>("SELECT count(*)::int AS orders FROM orders");
  expect(placed?.orders).toBe(created);
});
