import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { contract } from "../../src/contract/contract.ts";
import { scopesOf } from "../../src/contract/scopes.ts";
import { UsageError } from "../../src/origin/commands/subcommand.ts";
import { revokeKey } from "../../src/origin/keys/key-store.ts";
import { runKeysCommand } from "../../src/origin/keys/keys-command.ts";
import { type Door, startDoor } from "../support/door.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
/** By which the origin alone reaches Redis. */
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
  const scopes = scopesOf(contract);
  const print = (line: string): void => void lines.push(line);
  await runKeysCommand({ pool, redis, keyPrefix, scopes, now: Date.now, print }, args);
  return lines.join("\n");
};

const createdKey = async (...args: string[]): Promise<{ id: string; key: string }> => {
  const output = await run("create", "--principal", "frank", "--scopes", "orders:read", ...args);
  return { id: /^id {3}(.+)$/m.exec(output)?.[1] ?? "", key: /^key {2}(.+)$/m.exec(output)?.[1] ?? "" };
};

test("a created key works at once, for the scopes that it was given", async () => {
  const { key } = await createdKey();
  expect((await system.call("/v1/orders", { key })).status).toBe(200);
  expect((await system.call("/v1/orders", { method: "POST", key, json: {} })).status).toBe(403);
});

test("the secret is kept nowhere", async () => {
  const { id, key } = await createdKey();
  const secret = key.slice(-43);
  const kept = JSON.stringify(await system.pool.query("SELECT * FROM api_keys WHERE id = $1", [id]));
  const published = await system.redis.hashField(`${system.keyPrefix}keys`, id);
  expect(kept).toContain(id);
  expect(kept).not.toContain(secret);
  expect(published).not.toContain(secret);
});

test("a revoked key is listed as such and no longer published", async () => {
  const { id } = await createdKey("--name", "lost laptop");
  expect(await run("revoke", id)).toContain(`revoked ${id}`);
  expect(await run("list")).toMatch(new RegExp(`^${id} .*revoked {2}lost laptop$`, "m"));
  expect(await system.redis.hashField(`${system.keyPrefix}keys`, id)).toBeNull();
});

test("a key that isolates have seen stops in each of them within 10 s of its revocation", async () => {
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

test("it stops within 10 s, too, where no origin can tell Redis", async () => {
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

test("a key can be given a time to live", async () => {
  const { id } = await createdKey("--expires-in", "30m");
  expect(await run("list")).toMatch(new RegExp(`^${id} .*until \\d{4}-`, "m"));
});

test.each([
  [[], "a command is missing"],
  [["destroy"], "there is no command destroy"],
  [["create", "--scopes", "orders:read"], "--principal is missing"],
  [["create", "--principal", "x", "--scopes", "everything"], "there are blocklist:read"],
  [["create", "--principal", "x", "--scopes", "orders:read", "--expires-in", "soon"], "give it as 30m"],
  [["create", "--unknown"], "Unknown option '--unknown'"],
  [["revoke", "nothing"], "there is no key nothing"],
])("%j is refused with a reason", async (args, reason) => {
  const failure = await run(...args).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UsageError);
  expect(String(failure)).toContain(reason);
});
