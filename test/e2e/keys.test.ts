import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { contract } from "../../src/contract/contract.ts";
import { UsageError } from "../../src/origin/admin/cli.ts";
import { keysCommand, revokeKey } from "../../src/origin/admin/keys.ts";
import { type Door, startDoor } from "../support/door.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
/** The origin's way to Redis; the edge and the commands have their own. */
let door: Door;

beforeAll(async () => {
  door = await startDoor(inject("servers").redisUrl);
  system = await startSystem({ originEnvironment: { REDIS_URL: `http://127.0.0.1:${door.port}` } });
});
afterAll(async () => {
  await system?.stop();
  await door?.stop();
});

const run = async (...args: string[]): Promise<string> => {
  const lines: string[] = [];
  const { pool, redis, keyPrefix } = system;
  const print = (line: string): void => void lines.push(line);
  await keysCommand.run({ pool, redis, keyPrefix, routes: contract, print }, args);
  return lines.join("\n");
};

const createdKey = async (...args: string[]): Promise<{ id: string; key: string }> => {
  const output = await run("create", "--principal", "frank", "--scopes", "orders:read", ...args);
  return { id: /^id {3}(.+)$/m.exec(output)?.[1] ?? "", key: /^key {2}(.+)$/m.exec(output)?.[1] ?? "" };
};

test("a created key works immediately, for its scopes only", async () => {
  const { key } = await createdKey();
  expect((await system.call("/v1/orders", { key })).status).toBe(200);
  expect((await system.call("/v1/orders", { method: "POST", key, json: {} })).status).toBe(403);
});

test("the secret is not stored anywhere", async () => {
  const { id, key } = await createdKey();
  const secret = key.slice(-43);
  const stored = JSON.stringify(await system.pool.query("SELECT * FROM api_keys WHERE id = $1", [id]));
  const published = await system.redis.hashField(`${system.keyPrefix}keys`, id);
  expect(stored).toContain(id);
  expect(stored).not.toContain(secret);
  expect(published).not.toContain(secret);
});

test("a revoked key is listed as revoked and no longer published", async () => {
  const { id } = await createdKey("--name", "lost laptop");
  expect(await run("revoke", id)).toContain(`revoked ${id}`);
  expect(await run("list")).toMatch(new RegExp(`^${id} .*revoked {2}lost laptop$`, "m"));
  expect(await system.redis.hashField(`${system.keyPrefix}keys`, id)).toBeNull();
});

test("every isolate that has seen a key rejects it within 10 s of its revocation", async () => {
  const edges = [system.edgeUrl, await system.startEdge(), await system.startEdge()];
  const { id, key } = await createdKey();
  const statusAt = async (edge: string): Promise<number> =>
    (await fetch(`${edge}/v1/orders`, { headers: { authorization: `Bearer ${key}` } })).status;
  expect(await Promise.all(edges.map(statusAt))).toEqual([200, 200, 200]);
  await run("revoke", id);
  await Promise.all(
    edges.map((edge) => expect.poll(() => statusAt(edge), { timeout: 12_000, interval: 250 }).toBe(401)),
  );
});

test("a revocation takes effect within 10 s even if no origin can reach Redis", async () => {
  const { id, key } = await createdKey();
  expect((await system.call("/v1/orders", { key })).status).toBe(200);
  door.shut();
  try {
    await revokeKey(system.pool, id);
    await expect
      .poll(async () => (await system.call("/v1/orders", { key })).status, { timeout: 12_000, interval: 250 })
      .toBe(401);
  } finally {
    await door.open();
  }
});

test("a key can expire", async () => {
  const { id } = await createdKey("--expires-in", "30m");
  expect(await run("list")).toMatch(new RegExp(`^${id} .*until \\d{4}-`, "m"));
});

test.each([
  [[], "missing command"],
  [["destroy"], "unknown command: destroy"],
  [["create", "--scopes", "orders:read"], "--principal is missing"],
  [["create", "--principal", "x", "--scopes", "everything"], "choose from blocklist:read"],
  [
    ["create", "--principal", "x", "--scopes", "orders:read", "--expires-in", "soon"],
    "use a duration such as",
  ],
  [["create", "--principal", "x", "--scopes", "orders:read", "--expires-in", "10000d"], "at most 9999d"],
  [["create", "--unknown"], "Unknown option '--unknown'"],
  [["list", "all"], "Unexpected argument 'all'"],
  [["revoke"], "the id of a key is missing"],
  [["revoke", "nothing"], "no key nothing"],
])("%j is rejected with a reason", async (args, reason) => {
  const failure = await run(...args).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UsageError);
  expect(String(failure)).toContain(reason);
});
