import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, watch, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { spawnChild } from "../../src/local/child-process.ts";
import { freePort } from "../../src/local/free-port.ts";
import {
  erasePostgres,
  type LocalPostgres,
  type PostgresOptions,
  startPostgres,
} from "../../src/local/postgres.ts";

/** @param mode of the folder around the data folder; by default every user can enter it */
async function dataFolder(mode = 0o755): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), "breakwater-test-"));
  await chmod(base, mode);
  const folder = join(base, "postgres");
  onTestFinished(async () => {
    await erasePostgres(folder);
    await rm(base, { recursive: true });
  });
  return folder;
}

async function start(options: PostgresOptions): Promise<LocalPostgres> {
  const server = await startPostgres({ durable: false, ...options });
  onTestFinished(() => server.stop());
  return server;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: "array" })).rows.flat();
  } finally {
    await client.end();
  }
}

/** The command lines that contain `folder`. */
async function processesOf(folder: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)("ps", ["-ww", "-eo", "args="]);
  return stdout.split("\n").filter((line) => line.includes(folder));
}

/** Resolves when an entry of that name appears in the folder. */
async function appearance(folder: string, name: string): Promise<void> {
  for await (const { filename } of watch(folder)) {
    if (filename === name) return;
  }
}

describe("the embedded PostgreSQL", { timeout: 300_000 }, () => {
  it("sorts and compares alike on every platform, for who has the password", async () => {
    const { url, version } = await start({ folder: await dataFolder(), maxConnections: 17 });
    expect(version).toMatch(/^18\./);
    const sql = `SELECT datlocale, pg_encoding_to_char(encoding), upper('é'), current_setting('max_connections'),
        current_setting('fsync') FROM pg_database WHERE datname = current_database()`;
    expect(await query(url, sql)).toEqual(["C.UTF-8", "UTF8", "É", "17", "off"]);
    const wrong = new URL(url);
    wrong.password = "wrong";
    await expect(query(wrong.href, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
  });

  it("starts again after it was killed", async () => {
    const folder = await dataFolder();
    const first = await start({ folder, durable: true });
    await query(first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
    const [pid] = await query(first.url, "SELECT pg_read_file('postmaster.pid', 0, 20)");
    process.kill(Number.parseInt(String(pid), 10), "SIGKILL");
    expect(await first.exited).toEqual({ code: null, signal: "SIGKILL" });

    const second = await start({ folder, port: first.port });
    expect(second.url).toBe(first.url);
    expect(await query(second.url, "SELECT answer FROM kept")).toEqual([42]);
  });

  it("stops when its parent is killed, and the next start works at once", async () => {
    const folder = await dataFolder();
    const source = new URL("../../src/local/postgres.ts", import.meta.url).href;
    const script = `
      const { startPostgres } = await import(${JSON.stringify(source)});
      const { url } = await startPostgres({ folder: ${JSON.stringify(folder)}, durable: false });
      process.stdout.write(url);
      process.stdout.write("\\n");`;
    const started = Promise.withResolvers<string>();
    const parent = spawnChild({
      name: "parent",
      command: process.execPath,
      args: ["--input-type=module", "--eval", script],
      onLine: started.resolve,
    });
    const url = await started.promise;
    expect(await query(url, "SELECT 1")).toEqual([1]);
    await parent.stop({ signal: "SIGKILL" });

    const server = await start({ folder });
    expect(await query(server.url, "SELECT 1")).toEqual([1]);
    await expect(query(url, "SELECT 1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await server.stop();
    expect(await processesOf(folder)).toEqual([]);
  });

  it.each([
    "cluster.partial",
    "cluster",
  ])("that is cancelled when %s appears leaves no process, and the next start works", async (sign) => {
    const folder = await dataFolder();
    await mkdir(folder);
    const controller = new AbortController();
    void appearance(folder, sign).then(() => controller.abort("cancelled"));
    await expect(start({ folder, signal: controller.signal })).rejects.toBe("cancelled");
    await expect.poll(() => processesOf(folder)).toEqual([]);

    const server = await start({ folder });
    expect(await query(server.url, "SELECT 1")).toEqual([1]);
    expect((await readdir(folder)).sort()).toEqual(["cluster", "password"]);
  });

  it("reports a taken port in one line", async () => {
    const port = await freePort();
    const other = createServer().listen(port, "127.0.0.1");
    onTestFinished(() => void other.close());
    const failure = start({ folder: await dataFolder(), port });
    await expect(failure).rejects.toThrow(`port ${port} is taken (for PostgreSQL)`);
  });

  it("reports data of another major version in one line", async () => {
    const folder = await dataFolder();
    await (await start({ folder })).stop();
    await writeFile(join(folder, "cluster/PG_VERSION"), "17\n");
    await expect(start({ folder })).rejects.toThrow(
      /^PostgreSQL did not start: .*incompatible.* --fresh erases it\)$/,
    );
  });

  it.runIf(process.getuid?.() === 0)(
    "of root runs where its user can enter, and is erased from there",
    async () => {
      const folder = await dataFolder(0o700);
      const notices: string[] = [];
      const onNotice = (line: string): number => notices.push(line);
      const first = await start({ folder, onNotice });
      const [place = ""] = /\/var\/tmp\/breakwater-[0-9a-f]{12}/.exec(notices[0] ?? "") ?? [];
      await query(first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
      await first.stop();

      const second = await start({ folder, onNotice });
      expect(await query(second.url, "SELECT answer FROM kept")).toEqual([42]);
      await second.stop();
      await erasePostgres(folder);
      await expect(readdir(place)).rejects.toMatchObject({ code: "ENOENT" });
    },
  );
});
