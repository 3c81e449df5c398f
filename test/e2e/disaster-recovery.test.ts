/**
 * The database is destroyed under orders and restored from a backup: the orders of the backup are there, the keys that were
 * revoked after it stay revoked. Prints the measured recovery time. Needs a PostgreSQL of the system's packages.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { Order } from "#api/contract/orders.ts";
import { childEnvironment } from "../../src/local/environment.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { createIdentity } from "../../src/origin/admin/backup-file.ts";
import { keysCommand } from "../../src/origin/admin/keys.ts";
import { readVersion } from "../../src/origin/admin/publish.ts";
import { pendingMigrations, readMigrations } from "../../src/origin/db/migrate.ts";
import {
  type InstalledPostgres,
  postgresPrograms,
  startInstalledPostgres,
} from "../support/installed-postgres.ts";
import { outcomeOf } from "../support/load.ts";
import { addProduct } from "../support/products.ts";
import { isToolRequired } from "../support/required-tools.ts";
import { runCommand, type System, startSystem } from "../support/system.ts";

const CLIENTS = 4;
const STOCK = 1_000_000;
const PATIENT = { timeout: 60_000 };

describe.skipIf(postgresPrograms === undefined && !isToolRequired("pg_dump"))("a backup", () => {
  let folder: string;
  let postgres: InstalledPostgres;
  let system: System;
  let owner: { key: string };
  let leaver: { id: string; key: string };
  let productId: string;
  let identity: string;
  /** The backup's file. */
  let backup: string;
  /** Acknowledged orders, in order. */
  const acknowledged: string[] = [];

  /** Runs a program, or a command of the project on this system, as an operator does. @returns its output */
  const run = async (command: string, ...args: readonly string[]): Promise<string> => {
    const { redisUrl, redisToken } = inject("servers");
    const environment = childEnvironment();
    const env = {
      ...environment,
      PATH: `${postgresPrograms}:${environment["PATH"]}`,
      DATABASE_URL: system.databaseUrl,
      REDIS_URL: redisUrl,
      REDIS_TOKEN: redisToken,
      REDIS_KEY_PREFIX: system.keyPrefix,
    };
    const isProgram = command.startsWith("src/");
    const [file, words] = isProgram ? [process.execPath, [command, ...args]] : [command, [...args]];
    const { stdout } = await promisify(execFile)(file, words, { cwd: projectFolder, env });
    return stdout;
  };
  const restore = (file: string, ...args: readonly string[]): Promise<string> =>
    run("src/ops/restore.ts", file, "--identity", identity, "--external", ...args);

  const placeOrder = () =>
    outcomeOf(
      system.call("/v1/orders", {
        method: "POST",
        key: owner.key,
        headers: { "idempotency-key": crypto.randomUUID() },
        json: { lines: [{ productId, quantity: 1 }] },
      }),
    );

  /** Rows of a table in the backup, as COPY writes them. */
  const backedUp = async (table: string): Promise<string[]> => {
    const dump = join(folder, "dump");
    await run("src/origin/main.ts", "backup", "decrypt", backup, dump, "--identity", identity);
    const text = await run("pg_restore", "--data-only", `--table=${table}`, "--file=-", dump);
    return /^COPY .*\n([\s\S]*?)^\\\.$/m.exec(text)?.[1]?.split("\n").slice(0, -1) ?? [];
  };
  const ordersNow = async (): Promise<string[]> => {
    const rows = await system.pool.query<{ id: string }>("SELECT id FROM orders");
    return rows.map(({ id }) => id).sort();
  };
  const databases = async (): Promise<string[]> => {
    const rows = await system.pool.query<{ datname: string }>("SELECT datname FROM pg_database ORDER BY 1");
    return rows.map(({ datname }) => datname);
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "breakwater-backups-"));
    identity = join(folder, "identity.txt");
    const text = await createIdentity();
    await writeFile(identity, text);
    postgres = await startInstalledPostgres(postgresPrograms ?? "");
    system = await startSystem({ origins: 2, databaseServer: postgres.url });
    owner = await system.createKey("owner");
    leaver = await system.createKey("leaver");
    productId = await addProduct(system, owner.key, STOCK);
  });
  afterAll(async () => {
    await system?.stop();
    await postgres?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  test("has every order that was acknowledged before it began, while others are placed", async () => {
    let isOver = false;
    const trade = async (): Promise<void> => {
      while (!isOver) {
        const { status, body } = await placeOrder();
        if (status === 201) acknowledged.push(Order.parse(JSON.parse(body)).id);
      }
    };
    const load = Promise.all(Array.from({ length: CLIENTS }, trade));
    await expect.poll(() => acknowledged.length, PATIENT).toBeGreaterThan(50);
    const before = [...acknowledged];
    const recipient = /public key: (\S+)/.exec(await readFile(identity, "utf8"))?.[1] ?? "";
    backup = (await run("src/ops/backup.ts", "--recipient", recipient, "--to", folder, "--external")).trim();
    const until = acknowledged.length;
    await expect.poll(() => acknowledged.length, PATIENT).toBeGreaterThan(until + 20);
    isOver = true;
    await load;

    const orders = (await backedUp("orders")).map((row) => row.split("\t")[0]);
    expect(orders).toEqual(expect.arrayContaining(before));
    expect(orders.length).toBeLessThan(acknowledged.length);
    expect(await readFile(backup, "utf8")).not.toContain("orders_of_principal");
  });

  test("is not restored if it is cut off, and leaves no database behind", async () => {
    const cut = join(folder, "cut.dump.age");
    await writeFile(cut, (await readFile(backup)).subarray(0, -100));
    const before = await databases();
    await expect(restore(cut)).rejects.toThrow(/✗/);
    expect(await databases()).toEqual(before);
  });

  test("has keys that were revoked after it, which a rehearsal names without a change", async () => {
    await runCommand(system, keysCommand, ["revoke", leaver.id]);
    expect(await backedUp("api_keys")).toContainEqual(
      expect.stringMatching(new RegExp(`^${leaver.id}\t.*\\\\N$`)),
    );
    const before = [await databases(), await ordersNow(), await readVersion(system.pool, "keys")];
    const output = await restore(backup, "--dry-run");
    expect(output).toContain("would be revoked again: 1\n");
    expect(output).toContain(`${leaver.id}  leaver`);
    expect([await databases(), await ordersNow(), await readVersion(system.pool, "keys")]).toEqual(before);
  });

  test("replaces a destroyed database: the same orders, the same schema, and the key stays revoked", async () => {
    const stored = await backedUp("orders");
    const [, epoch] =
      (await backedUp("published_snapshots")).find((row) => row.startsWith("keys\t"))?.split("\t") ?? [];
    await postgres.destroy();
    const beganAtMs = performance.now();
    await postgres.create();
    const output = await restore(backup);
    await expect
      .poll(() => ordersNow().catch(String), PATIENT)
      .toEqual(stored.map((row) => row.split("\t")[0]).sort());
    await expect.poll(async () => (await placeOrder()).status, PATIENT).toBe(201);
    const recoveryS = (performance.now() - beganAtMs) / 1_000;
    process.stdout.write(
      `disaster recovery: ${stored.length} orders, RTO ${recoveryS.toFixed(1)} s; ` +
        `${acknowledged.length - stored.length} orders were acknowledged after the backup and are lost\n`,
    );

    expect(output).toContain("revoked again: 1\n");
    expect(output).toMatch(/last Idempotency-Key in the database: 20\d\d-/);
    expect(await pendingMigrations(system.pool, await readMigrations())).toEqual([]);
    expect(await readVersion(system.pool, "keys")).not.toContain(epoch);
    const origin = await system.startOrigin();
    expect((await fetch(`${origin.adminUrl}/ready`)).status).toBe(200);
    // At an edge without a memory of the key, too.
    const edge = await system.startEdge();
    for (const url of [system.edgeUrl, edge]) {
      const headers = { authorization: `Bearer ${leaver.key}` };
      expect((await fetch(`${url}/v1/orders`, { headers })).status).toBe(401);
    }
  });

  test("replaces a database in use, which stays under another name", async () => {
    await expect.poll(async () => (await placeOrder()).status, PATIENT).toBe(201);
    const before = await ordersNow();
    const output = await restore(backup);
    await expect
      .poll(async () => (await ordersNow().catch(() => [])).length, PATIENT)
      .toBe((await backedUp("orders")).length);
    const [, previous = ""] = /^previous: database (\S+);/m.exec(output) ?? [];
    expect(await databases()).toContain(previous);
    const url = new URL(system.databaseUrl);
    url.pathname = `/${previous}`;
    expect(await run("psql", "--no-psqlrc", "-Atc", "SELECT count(*) FROM orders", url.href)).toBe(
      `${before.length}\n`,
    );
    await expect.poll(async () => (await placeOrder()).status, PATIENT).toBe(201);
  });

  test("can be encrypted and decrypted by other commands", async () => {
    const encode = ["--encrypt-with", "base64", "--to", folder, "--external"];
    const encoded = (await run("src/ops/backup.ts", ...encode)).trim();
    expect(
      Buffer.from(await readFile(encoded, "utf8"), "base64")
        .subarray(0, 5)
        .toString(),
    ).toBe("PGDMP");
    expect(await restore(encoded, "--decrypt-with", "base64 --decode", "--dry-run")).toContain("would be");
  });

  test("is not made if the command fails", async () => {
    const before = await readdir(folder);
    const failing = ["--encrypt-with", "cat; exit 1", "--to", folder, "--external"];
    await expect(run("src/ops/backup.ts", ...failing)).rejects.toThrow(/✗/);
    expect(await readdir(folder)).toEqual(before);
  });
});
