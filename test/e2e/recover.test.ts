/** The command `recover` on a database that has gone back in time, with origins and Redis beside it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { UsageError } from "../../src/origin/admin/cli.ts";
import { keysCommand, keysPublication } from "../../src/origin/admin/keys.ts";
import { publish } from "../../src/origin/admin/publish.ts";
import { recoverCommand } from "../../src/origin/admin/recover.ts";
import { readRevocations } from "../../src/origin/admin/revocations.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { createRedisEntries } from "../../src/origin/response-cache/redis.ts";
import { runCommand, type System, startSystem } from "../support/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

const recover = (...args: string[]): Promise<string> => runCommand(system, recoverCommand, args);

const revoked = async (principal: string): Promise<{ id: string; key: string }> => {
  const created = await system.createKey(principal);
  await runCommand(system, keysCommand, ["revoke", created.id]);
  return created;
};

/** As a restored backup has it. */
const comeBack = async (id: string): Promise<void> => {
  await system.pool.query("UPDATE api_keys SET revoked_at = NULL WHERE id = $1", [id]);
};

const isPublished = async (id: string): Promise<boolean> =>
  (await system.redis.hashField(`${system.keyPrefix}keys`, id)) !== null;

test("a key that was revoked after the backup is revoked again", async () => {
  const { id, key } = await revoked("leaver");
  await comeBack(id);
  expect(await recover("--dry-run")).toContain(`would be revoked again: 1\n  ${id}  leaver`);
  expect(await recover()).toContain(`revoked again: 1\n  ${id}  leaver`);
  expect(await recover()).toContain("revoked again: 0");
  expect((await system.call("/v1/orders", { key })).status).toBe(401);
});

test("a snapshot is published again even if Redis has its version with other content", async () => {
  const { id } = await system.createKey("version");
  // A restored database counts up to the version that Redis has, and does not have this key.
  await system.pool.query("DELETE FROM api_keys WHERE id = $1", [id]);
  expect(await publish(keysPublication, system)).toBe(false);
  expect(await isPublished(id)).toBe(true);
  await recover();
  await expect.poll(() => isPublished(id), { timeout: 20_000 }).toBe(false);
});

test("responses that all origins share are flushed", async () => {
  const { redis, keyPrefix } = system;
  const options = { redis, keyPrefix, programVersion: "test", maxLifetimeMs: 600_000, now: Date.now };
  const entries = createRedisEntries({ ...options, log: createLog("silent") });
  const request = { key: "shared", tags: ["tag"], accepts: () => true, moment: Date.now };
  const look = async (): Promise<object> => (await entries.claim(request)) ?? {};
  const claim = await entries.claim(request);
  if (claim === undefined || !("lease" in claim)) throw new Error("there is no lease");
  const at = { generatedAtMs: Date.now(), asOfMs: Date.now(), tags: request.tags };
  const windows = { freshMs: 600_000, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
  entries.settle(
    "shared",
    claim,
    { ...at, windows, response: { status: 200, headers: {}, body: "old" } },
    true,
  );
  await expect.poll(look).toHaveProperty("response.body", "old");
  await recover();
  await expect.poll(look).toHaveProperty("lease");
});

test("an emptied Redis gets the list of revocations again from the database", async () => {
  const { id } = await revoked("emptied");
  await expect.poll(() => readRevocations(system), { timeout: 20_000 }).toContain(id);
  await system.redis.remove(`${system.keyPrefix}revoked-keys`);
  await system.redis.remove(`${system.keyPrefix}keys`);
  await expect.poll(() => readRevocations(system), { timeout: 20_000 }).toContain(id);
});

test("without a list, recover needs a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "recover-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "ids.txt");
  const { id } = await revoked("listed");
  await writeFile(file, `unknown\n${id}\n`);
  await comeBack(id);
  await system.redis.remove(`${system.keyPrefix}revoked-keys`);
  await expect(recover()).rejects.toThrow(UsageError);
  expect(await recover("--revoked", file)).toContain(
    `known revocations: 2; revoked again: 1\n  ${id}  listed`,
  );
});
