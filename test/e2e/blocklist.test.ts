/** Blocked clients at real edges: blocked by an operator, or automatically. */
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { type Door, startDoor } from "../../src/local/door.ts";
import { blockCommand, unblockCommand } from "../../src/origin/admin/blocklist/command.ts";
import {
  blocklistPublication,
  parseNetworkToBlock,
  setBlock,
} from "../../src/origin/admin/blocklist/store.ts";
import { isUsageError } from "../../src/origin/admin/cli.ts";
import { publish } from "../../src/origin/admin/publish.ts";
import { fetchRead } from "../support/fetch.ts";
import { problemOf } from "../support/problem-of.ts";
import { eventsOf, runCommand, type System, startSystem } from "../support/system.ts";

let system: System;
/** The origin's connection to Redis. */
let door: Door;

beforeAll(async () => {
  door = await startDoor(inject("servers").redisUrl);
  system = await startSystem({
    originEnvironment: { REDIS_URL: door.url, NEVER_BLOCKED: "198.51.100.128/25" },
  });
});
afterAll(async () => {
  await system?.stop();
  await door?.stop();
});

/** The documented 10 s, and a margin for a busy machine. */
const HOLDS_WITHIN = { timeout: 12_000, interval: 100 };

const statusAt = async (edgeUrl: string, client: string): Promise<number> => {
  const response = await fetchRead(`${edgeUrl}/v1/products`, { headers: { "x-local-client": client } });
  await response.body?.cancel();
  return response.status;
};

const statusOf = (client: string): Promise<number> => statusAt(system.edgeUrl, client);

const block = (...args: string[]): Promise<string> => runCommand(system, blockCommand, args);
const unblock = (...args: string[]): Promise<string> => runCommand(system, unblockCommand, args);

describe("an operator's block", () => {
  test.concurrent("takes effect in every isolate within 10 s, and ends as quickly", async ({ expect }) => {
    const client = "192.0.2.1";
    const edges = [system.edgeUrl, await system.startEdge(), await system.startEdge()];
    const statuses = () => Promise.all(edges.map((edge) => statusAt(edge, client)));
    expect(await statuses()).toEqual([200, 200, 200]);
    expect(await block(client, "--for", "1h", "--reason", "a test")).toMatch(
      /^blocked 192\.0\.2\.1 until \d{4}-/,
    );
    await expect.poll(statuses, HOLDS_WITHIN).toEqual([403, 403, 403]);
    expect(await unblock(client)).toContain("unblocked 192.0.2.1");
    await expect.poll(statuses, HOLDS_WITHIN).toEqual([200, 200, 200]);
  });

  test.concurrent("gets 403 blocked with Retry-After, and a security event", async ({ expect }) => {
    const client = "192.0.2.2";
    await block("192.0.2.2/31", "--for", "1h", "--reason", "a test");
    await expect.poll(() => statusOf(client), HOLDS_WITHIN).toBe(403);
    const answer = await system.call("/v1/products", { headers: { "x-local-client": client } });
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(3_000);
    expect(await problemOf(answer)).toMatchObject({ code: "blocked", status: 403 });
    await expect.poll(() => eventsOf(system, client), { timeout: 30_000 }).not.toEqual([]);
    expect(eventsOf(system, client)[0]).toMatchObject({
      type: "suspicious_activity",
      rule: "blocked_client",
      details: "blocked_client: 192.0.2.2/31",
    });
  });

  test("takes effect within 10 s even if no origin can reach Redis", async () => {
    const client = "192.0.2.10";
    const network = parseNetworkToBlock(client);
    if (typeof network === "string") throw new Error(network);
    expect(await statusOf(client)).toBe(200);
    door.shut();
    try {
      await setBlock(system.pool, { network, reason: "a test", forS: null });
      await expect.poll(() => statusOf(client), HOLDS_WITHIN).toBe(403);
    } finally {
      await door.open();
    }
  });

  test("reaches an edge without Redis through an origin", async () => {
    const client = "192.0.2.11";
    await block(client, "--reason", "a test");
    const edge = await system.startEdge({ UPSTASH_REDIS_REST_URL: "http://127.0.0.1:9" });
    await expect.poll(() => statusAt(edge, client), HOLDS_WITHIN).toBe(403);
  });
});

describe("the command", () => {
  test("lists the blocks in force", async () => {
    await block("192.0.2.40/29", "--for", "7d", "--reason", "listed");
    expect(await block("list")).toMatch(/^192\.0\.2\.40\/29 {2}until \d{4}-\S+ {2}operator {2}listed$/m);
  });

  test("replaces an earlier block of the same network", async () => {
    await block("192.0.2.48", "--reason", "first");
    await block("192.0.2.48", "--for", "1h", "--reason", "second");
    const lines = (await block("list")).split("\n").filter((line) => line.startsWith("192.0.2.48 "));
    expect(lines).toEqual([expect.stringMatching(/until .* second$/)]);
  });

  test("names the wider block that still covers a client", async () => {
    await block("192.0.2.64/28", "--reason", "wider");
    await block("192.0.2.65", "--reason", "narrower");
    expect(await unblock("192.0.2.65")).toContain(
      "192.0.2.65 is still covered by 192.0.2.64/28, which is blocked forever.",
    );
    await expect(unblock("192.0.2.65")).rejects.toThrow("it is covered by 192.0.2.64/28");
  });

  test.each([
    [[], "an address or a range is missing"],
    [["localhost", "--reason", "x"], "Must be an address such as"],
    [["10.0.0.0/7", "--reason", "x"], "no wider than /8"],
    [["::/0", "--reason", "x"], "no wider than"],
    [["192.0.2.1"], "--reason is missing"],
    [["192.0.2.1", "--reason", "two\nlines"], "has control characters or line breaks"],
    [["192.0.2.1", "192.0.2.2", "--reason", "x"], "only one address or range at a time"],
    [["192.0.2.1", "--reason", "x", "--for", "soon"], "use a duration such as 90s"],
    [["192.0.2.1", "--reason", "x", "--for", "400d"], "at most 365d"],
    [["192.0.2.1", "--unknown"], "Unknown option"],
    [["list", "all"], "Unexpected argument 'all'"],
  ])("%j is rejected with a reason", async (args, reason) => {
    const failure = await block(...args).catch((error: unknown) => error);
    expect(failure).toSatisfy(isUsageError);
    expect(String(failure)).toContain(reason);
  });
});

describe("the API", () => {
  test("blocks, lists and unblocks for a key with the scopes", async () => {
    const { key } = await system.createKey("operations", ["blocklist:read", "blocklist:write"]);
    const json = { network: "2001:DB8:1::/48", reason: "guesses keys", durationS: 3_600 };
    const added = await system.call("/admin/blocklist", { method: "POST", key, json });
    expect(added.status).toBe(201);
    const block = (await added.json()) as { id: string };
    expect(block).toMatchObject({ network: "2001:db8:1::/48", source: "operator", reason: "guesses keys" });
    const list = await system.call("/admin/blocklist", { key });
    expect(((await list.json()) as { items: unknown[] }).items).toContainEqual(block);
    await expect.poll(() => statusOf("2001:db8:1::1"), HOLDS_WITHIN).toBe(403);
    const path = `/admin/blocklist/${block.id}`;
    expect((await system.call(path, { method: "DELETE", key })).status).toBe(204);
    expect((await system.call(path, { method: "DELETE", key })).status).toBe(404);
    await expect.poll(() => statusOf("2001:db8:1::1"), HOLDS_WITHIN).toBe(200);
  });

  test.each(["\u001b[2J", "two\r\nlines", "\u009b"])("rejects the reason %j", async (reason) => {
    const { key } = await system.createKey("operations", ["blocklist:write"]);
    const json = { network: "192.0.2.99", reason };
    const answer = await system.call("/admin/blocklist", { method: "POST", key, json });
    expect(await problemOf(answer)).toMatchObject({
      status: 400,
      errors: [{ in: "body", field: "reason" }],
    });
  });

  test("names the invalid field", async () => {
    const { key } = await system.createKey("operations", ["blocklist:write"]);
    const json = { network: "1.2.3.4/5", reason: "x" };
    const answer = await system.call("/admin/blocklist", { method: "POST", key, json });
    expect(await problemOf(answer)).toMatchObject({
      status: 400,
      errors: [{ in: "body", field: "network" }],
    });
  });

  test.each([
    ["GET", ["blocklist:write"]],
    ["POST", ["blocklist:read"]],
  ])("%s is forbidden with only %j", async (method, scopes) => {
    const { key } = await system.createKey("curious", scopes);
    const answer = await system.call("/admin/blocklist", {
      method,
      key,
      ...(method === "POST" ? { json: { network: "192.0.2.1", reason: "x" } } : {}),
    });
    expect(answer.status).toBe(403);
  });
});

describe("a repeat offender", () => {
  const guess = async (client: string, times: number): Promise<number[]> => {
    const headers = {
      "x-local-client": client,
      authorization: `Bearer bwk_${"a".repeat(12)}_${"b".repeat(42)}c`,
    };
    const statuses = Array.from(
      { length: times },
      async () => (await system.call("/v1/orders", { headers })).status,
    );
    return await Promise.all(statuses);
  };

  test.concurrent("is blocked temporarily, with its whole /64", async ({ expect }) => {
    expect(new Set(await guess("2001:db8:bad::1", 20))).toEqual(new Set([401]));
    await expect.poll(() => statusOf("2001:db8:bad::2"), { ...HOLDS_WITHIN, timeout: 25_000 }).toBe(403);
    expect(await block("list")).toMatch(/^2001:db8:bad::\/64 {2}until .* automatic .*unknown_key/m);
    expect(await statusOf("2001:db8:bad:1::1")).toBe(200);
    // Others who share the network have credentials.
    const { key } = await system.createKey("carol");
    for (const path of ["/v1/products", "/v1/orders"]) {
      const headers = { "x-local-client": "2001:db8:bad::3" };
      expect((await system.call(path, { key, headers })).status).toBe(200);
    }
  });

  test.concurrent("is not blocked if the configuration exempts it, nor is this machine", async ({
    expect,
  }) => {
    await guess("198.51.100.200", 20);
    await guess("127.0.0.1", 20);
    await guess("198.51.100.1", 20);
    // All three are reported in the same way and order: once the last is blocked, the others have been judged.
    await expect.poll(() => statusOf("198.51.100.1"), { ...HOLDS_WITHIN, timeout: 25_000 }).toBe(403);
    expect([await statusOf("198.51.100.200"), await statusOf("127.0.0.1")]).toEqual([200, 200]);
    expect(await block("list")).not.toMatch(/^(198\.51\.100\.200|127\.0\.0\.1)/m);
  });

  test.concurrent("stays blocked for as long as an operator has set", async ({ expect }) => {
    await block("198.51.100.3", "--reason", "an operator's own");
    await guess("198.51.100.3", 20);
    await guess("198.51.100.4", 20);
    await expect.poll(() => block("list"), { timeout: 25_000 }).toMatch(/^198\.51\.100\.4 /m);
    expect(await block("list")).toMatch(/^198\.51\.100\.3 {2}forever {2}operator {2}an operator's own$/m);
  });
});

test("a blocked client's flood becomes a few events with the right counts", async () => {
  const client = "192.0.2.200";
  await block(client, "--reason", "a flood");
  await expect.poll(() => statusOf(client), HOLDS_WITHIN).toBe(403);
  const beganAtMs = performance.now();
  let rejected = 1;
  for (let turn = 0; turn < 10; turn += 1) {
    const statuses = await Promise.all(Array.from({ length: 100 }, () => statusOf(client)));
    rejected += statuses.filter((status) => status === 403).length;
  }
  const windows = Math.ceil((performance.now() - beganAtMs) / 10_000) + 1;
  expect(rejected).toBe(1_001);
  const events = () => eventsOf(system, client);
  const counted = (): number => events().reduce((sum, { count }) => sum + count, 0);
  await expect.poll(counted, { timeout: 30_000 }).toBe(rejected);
  expect(events().length).toBeLessThanOrEqual(6 * windows);
  expect(new Set(events().map(({ id }) => id)).size).toBe(events().length);
});

test("each version is published once", async () => {
  await publish(blocklistPublication, system);
  expect(await publish(blocklistPublication, system)).toBe(false);
});
