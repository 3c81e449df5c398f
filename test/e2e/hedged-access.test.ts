/** The audit events of a read that the edge sends to two origins. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Door, startDoor } from "../../src/local/door.ts";
import type { SecurityEvent } from "../../src/security-events/event.ts";
import { call, eventsOf, type System, startSystem } from "../support/system.ts";

let system: System;
/** To the origin that the edge prefers. */
let door: Door;
let edge: string;
let key: string;

beforeAll(async () => {
  system = await startSystem();
  door = await startDoor("http://127.0.0.1:9");
  const preferred = await system.startOrigin({ ORIGIN_AUTHORITIES: new URL(door.url).host });
  door.leadTo(preferred.url);
  edge = await system.startEdge({
    ORIGINS: `${door.url};weight=9999,${system.origins[0]?.url}`,
    HEDGE_BUDGET_PERCENT: "100",
  });
  ({ key } = await system.createKey("auditor"));
});
afterAll(async () => {
  await system?.stop();
  await door?.stop();
});

/** Reads orders, which are sensitive, as a client. @returns the request's id */
const read = async (client: string): Promise<string> => {
  const response = await call(edge, "/v1/orders", { key, headers: { "x-local-client": client } });
  expect(response.status).toBe(200);
  return response.headers.get("x-request-id") ?? "";
};

/** How many origins have served a request. */
const servedBy = (requestId: string): number =>
  system.logLines
    .filter((line) => line.includes('"message":"request"') && line.includes(requestId))
    .filter((line) => JSON.parse(line)["http.response.status_code"] === 200).length;

const accessesOf = (client: string): SecurityEvent[] =>
  eventsOf(system, client).filter(({ type }) => type === "data_access");

test("a read that two origins have served is one event", async () => {
  // The edge hedges after it has measured the route's latency.
  for (let turn = 0; turn < 30; turn += 1) await read("192.0.2.1");
  door.holdReplies();
  const reads = new Map<string, string>();
  const servedTwice = (): string | undefined =>
    [...reads].find(([, requestId]) => servedBy(requestId) === 2)?.[0];
  await expect
    .poll(async () => {
      const client = `198.51.100.${reads.size + 1}`;
      reads.set(client, await read(client));
      return servedTwice() !== undefined;
    })
    .toBe(true);
  await door.open();

  // Once an event of a later read at each origin is there, so are those of the read before.
  const [other] = system.origins;
  for (const [client, origin] of [
    ["203.0.113.1", door.url],
    ["203.0.113.2", other?.url ?? ""],
  ] as const) {
    const own = await system.startEdge({ ORIGINS: origin });
    const status = async (): Promise<number> =>
      (await call(own, "/v1/orders", { key, headers: { "x-local-client": client } })).status;
    await expect.poll(status).toBe(200);
    await expect.poll(() => accessesOf(client).length, { timeout: 30_000 }).toBeGreaterThan(0);
  }
  const accesses = accessesOf(servedTwice() ?? "");
  expect([...new Set(accesses.map(({ id }) => id))]).toHaveLength(1);
  expect(new Set(accesses.map(({ count }) => count))).toEqual(new Set([1]));
});
