import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, watch, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  erasePostgres,
  type LocalPostgres,
  type PostgresOptions,
  startPostgres,
} from "../../src/local/postgres.ts";
import { startParent } from "./support/parent.ts";

/** @param mode of the parent folder; by default every user can enter it */
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
  it("has the same locale on every platform, and requires the password", async () => {
    const { url } = await start({ folder: await dataFolder(), maxConnections: 17 });
    const sql = `SELECT datlocale, pg_encoding_to_char(encoding), upper('é'), current_setting('max_connections'),
        current_setting('fsync') FROM pg_database WHERE datname = current_database()`;
    expect(await query(url, sql)).toEqual(["C.UTF-8", "UTF8", "É", "17", "off"]);
    const wrong = new URL(url);
    wrong.password = "wrong";
    await expect(query(wrong.href, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
  });

  it("starts again after a crash", async () => {
    const folder = await dataFolder();
    const first = await start({ folder, durable: true });
    await query(first.url, "CREATE TABLE stored AS SELECT 42 AS answer");
    const [pid] = await query(first.url, "SELECT pg_read_file('postmaster.pid', 0, 20)");
    process.kill(Number.parseInt(String(pid), 10), "SIGKILL");
    expect(await first.exited).toEqual({ code: null, signal: "SIGKILL" });

    const second = await start({ folder, port: first.port });
    expect(second.url).toBe(first.url);
    expect(await query(second.url, "SELECT answer FROM stored")).toEqual([42]);
  });

  it("stops when its parent is killed, and the next start works at once", async () => {
    const folder = await dataFolder();
    const source = new URL("../../src/local/postgres.ts", import.meta.url).href;
    const [parent, url] = await startParent(`
      const { startPostgres } = await import(${JSON.stringify(source)});
      const { url } = await startPostgres({ folder: ${JSON.stringify(folder)}, durable: false });
      console.log(url);`);
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
  ])("leaves no process if canceled when %s appears, and the next start works", async (entry) => {
    const folder = await dataFolder();
    await mkdir(folder);
    const controller = new AbortController();
    void appearance(folder, entry).then(() => controller.abort("canceled"));
    await expect(start({ folder, signal: controller.signal })).rejects.toBe("canceled");
    await expect.poll(() => processesOf(folder)).toEqual([]);

    const server = await start({ folder });
    expect(await query(server.url, "SELECT 1")).toEqual([1]);
    expect((await readdir(folder)).sort()).toEqual(["cluster", "password"]);
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
    "that root starts runs where its user can enter, and is erased there",
    async () => {
      const folder = await dataFolder(0o700);
      const notices: string[] = [];
      const onNotice = (line: string): number => notices.push(line);
      const first = await start({ folder, onNotice });
      const [place = ""] = /\/var\/tmp\/breakwater-[0-9a-f]{12}/.exec(notices[0] ?? "") ?? [];
      await query(first.url, "CREATE TABLE stored AS SELECT 42 AS answer");
      await first.stop();

      const second = await start({ folder, onNotice });
      expect(await query(second.url, "SELECT answer FROM stored")).toEqual([42]);
      await second.stop();
      await erasePostgres(folder);
      await expect(readdir(place)).rejects.toMatchObject({ code: "ENOENT" });
    },
  );
});
