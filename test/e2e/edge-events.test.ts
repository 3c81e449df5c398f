/** Rejections by the edge's guards as events in the origin's sinks. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import type { SecurityEvent } from "../../src/security-events/event.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;

beforeAll(async () => {
  system = await startSystem({ edgeEnvironment: { RATE_LIMITS: "enforce" } });
});
afterAll(() => system?.stop());

/** Longer than the aggregation window. */
const POLL = { timeout: 30_000, interval: 50 };

const parse = (line: string): { message?: string; event?: SecurityEvent } => {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
};

/** The events of a client in the origins' logs. */
const eventsOf = (client: string): SecurityEvent[] =>
  system.logLines
    .map(parse)
    .flatMap(({ message, event }) =>
      message === "security event" && event !== undefined && event.client === client ? [event] : [],
    );

const from = (client: string, headers: Readonly<Record<string, string>> = {}) => ({
  headers: { "x-local-client": client, ...headers },
});

describe("credentials", () => {
  test.each([
    ["192.0.2.1", "missing", "anonymous", undefined],
    ["192.0.2.2", "malformed", "anonymous", "nonsense"],
    ["192.0.2.3", "unknown_key", `key:${"a".repeat(12)}`, `bwk_${"a".repeat(12)}_${"b".repeat(43)}`],
  ])("of %s are reported as %s, with user %s", async (client, reason, user, token) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    expect((await system.call("/v1/orders", from(client, headers))).status).toBe(401);
    await expect.poll(() => eventsOf(client), POLL).toHaveLength(1);
    expect(eventsOf(client)[0]).toMatchObject({
      type: "auth_failure",
      user,
      reason,
      route: "listOrders",
      count: 1,
    });
  });

  test("of a key with a wrong secret are reported with the key's id and without the secret", async () => {
    const client = "192.0.2.4";
    const { id, key } = await system.createKey("alice");
    const forged = `${key.slice(0, -43)}${"A".repeat(43)}`;
    await system.call("/v1/orders", from(client, { authorization: `Bearer ${forged}` }));
    await expect.poll(() => eventsOf(client), POLL).toHaveLength(1);
    expect(eventsOf(client)[0]).toMatchObject({ reason: "wrong_secret", user: `key:${id}` });
    expect(system.logLines.join()).not.toContain("A".repeat(43));
  });

  test("without the route's scope are reported with the principal", async () => {
    const client = "192.0.2.5";
    const { key } = await system.createKey("reader", ["orders:read"]);
    const { status } = await system.call("/v1/orders", {
      method: "POST",
      json: { lines: [{ productId: sampleProductId(1), quantity: 1 }] },
      key,
      ...from(client, { authorization: `Bearer ${key}`, "content-type": "application/json" }),
    });
    expect(status).toBe(403);
    await expect.poll(() => eventsOf(client), POLL).toHaveLength(1);
    expect(eventsOf(client)[0]).toMatchObject({ reason: "insufficient_scope", user: "reader" });
  });
});

test("events of a client over its limit count each rejected request once", async () => {
  const client = "192.0.2.21";
  const path = `/v1/products/${sampleProductId(1)}`;
  const beganAtMs = performance.now();
  let refused = 0;
  // The bucket refills while a slow machine sends the requests.
  for (let turn = 0; refused < 100; turn += 1) {
    expect(turn).toBeLessThan(50);
    const statuses = Array.from({ length: 100 }, async () => (await system.call(path, from(client))).status);
    refused += (await Promise.all(statuses)).filter((status) => status === 429).length;
  }
  const windows = Math.ceil((performance.now() - beganAtMs) / 10_000) + 1;
  const counted = (): number => eventsOf(client).reduce((sum, { count }) => sum + count, 0);
  await expect.poll(counted, POLL).toBe(refused);
  // Per window: at 1, 10 and 100 occurrences, and at its end.
  expect(eventsOf(client).length).toBeLessThanOrEqual(4 * windows);
  expect(new Set(eventsOf(client).map(({ id }) => id)).size).toBe(eventsOf(client).length);
  expect(eventsOf(client)[0]).toMatchObject({
    type: "rate_limit_exceeded",
    endpoint: "GET /v1/products/:id",
    limits: ["catalogue"],
  });
});

test("an IPv4 address mapped into IPv6 is reported as IPv4", async () => {
  await system.call("/v1/orders", from("::ffff:192.0.2.31"));
  await expect.poll(() => eventsOf("192.0.2.31"), POLL).toHaveLength(1);
});

test("X-Forwarded-For does not change the client", async () => {
  await system.call("/v1/orders", from("192.0.2.32", { "x-forwarded-for": "198.51.100.9" }));
  await expect.poll(() => eventsOf("192.0.2.32"), POLL).toHaveLength(1);
  expect(eventsOf("198.51.100.9")).toEqual([]);
});
