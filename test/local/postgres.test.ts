import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, watch, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { spawnChild } from "../../src/local/child.ts";
import { freePort } from "../../src/local/free-port.ts";
import { LocalError } from "../../src/local/local-error.ts";
import {
  erasePostgres,
  type LocalPostgres,
  type PostgresOptions,
  startPostgres,
} from "../../src/local/postgres.ts";
import { findBinaries } from "../../src/local/postgres-binaries.ts";

/** A folder for data, in one that every user can enter unless `mode` says otherwise. */
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

/** The processes that name `folder` in their command line. */
async function processesOf(folder: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)("ps", ["-ww", "-eo", "args="]);
  return stdout.split("\n").filter((line) => line.includes(folder));
}

/** Resolves when something whose name begins with `prefix` appears in `folder`. */
async function appearance(folder: string, prefix: string): Promise<void> {
  for await (const { filename } of watch(folder)) {
    if (filename?.startsWith(prefix)) return;
  }
}

describe("an embedded PostgreSQL", () => {
  it("serves a database that sorts and compares alike on every platform", async () => {
    const { url, version } = await start({ folder: await dataFolder(), maxConnections: 17 });
    expect(version).toMatch(/^18\./);
    expect(new URL(url).hostname).toBe("127.0.0.1");
    const sql = `SELECT current_database(), datlocale, pg_encoding_to_char(encoding), upper('é'),
        current_setting('max_connections'), current_setting('fsync'), current_setting('password_encryption')
      FROM pg_database WHERE datname = current_database()`;
    expect(await query(url, sql)).toEqual([
      "breakwater",
      "C.UTF-8",
      "UTF8",
      "É",
      "17",
      "off",
      "scram-sha-256",
    ]);
  });

  it("keeps its data and its password over a restart", async () => {
    const folder = await dataFolder();
    const first = await start({ folder, durable: true });
    await query(first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
    await first.stop();
    expect(await first.exited).toEqual({ code: 0, signal: null });

    const second = await start({ folder, port: first.port });
    expect(second.url).toBe(first.url);
    expect(await query(second.url, "SELECT answer FROM kept")).toEqual([42]);
  });

  it("runs beside another one in another folder", async () => {
    const folders = [await dataFolder(), await dataFolder()];
    const servers = await Promise.all(folders.map((folder) => start({ folder })));
    const answers = await Promise.all(servers.map(({ url }) => query(url, "SELECT 1")));
    expect(answers).toEqual([[1], [1]]);
  });

  it("refuses a wrong password", async () => {
    const { url } = await start({ folder: await dataFolder() });
    const wrong = new URL(url);
    wrong.password = "wrong";
    await expect(query(wrong.href, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
  });

  it("starts again after it was killed", async () => {
    const folder = await dataFolder();
    const first = await start({ folder });
    const [pid] = await query(first.url, "SELECT pg_read_file('postmaster.pid', 0, 20)");
    process.kill(Number.parseInt(String(pid), 10), "SIGKILL");
    expect(await first.exited).toEqual({ code: null, signal: "SIGKILL" });

    const second = await start({ folder });
    expect(await query(second.url, "SELECT 1")).toEqual([1]);
  });

  it("that was left alone by a killed parent is stopped and replaced", async () => {
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
    await parent.stop({ signal: "SIGKILL" });
    expect(await query(url, "SELECT 1")).toEqual([1]);

    const notices: string[] = [];
    const server = await start({ folder, onNotice: (line) => notices.push(line) });
    expect(await query(server.url, "SELECT 1")).toEqual([1]);
    await expect(query(url, "SELECT 1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect(notices).toContainEqual(expect.stringContaining("an earlier run left behind"));
  });

  it("starts where another program has the process id that an old pid file names", async () => {
    const folder = await dataFolder();
    await (await start({ folder })).stop();
    await writeFile(join(folder, "cluster/postmaster.pid"), `${process.pid}\n${folder}/cluster\n`);
    expect(await query((await start({ folder })).url, "SELECT 1")).toEqual([1]);
  });
});

describe("a start that is given up", () => {
  it.each([
    ["while initdb runs", { sign: "partial-", left: ["password"] }],
    ["while the server starts", { sign: "cluster", left: ["cluster", "password"] }],
  ])("%s leaves nothing behind, and the next one works", async (_, { sign, left }) => {
    const folder = await dataFolder();
    await mkdir(folder);
    const controller = new AbortController();
    void appearance(folder, sign).then(() => controller.abort("enough"));
    await expect(start({ folder, signal: controller.signal })).rejects.toBe("enough");
    expect(await processesOf(folder)).toEqual([]);
    expect((await readdir(folder)).sort()).toEqual(left);

    const server = await start({ folder });
    expect(await query(server.url, "SELECT 1")).toEqual([1]);
  });

  it("before it began does nothing", async () => {
    const folder = await dataFolder();
    await expect(start({ folder, signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
    await expect(readdir(folder)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("and killed leaves a half-made directory that the next one removes", async () => {
    const folder = await dataFolder();
    await mkdir(join(folder, "partial-0123"), { recursive: true });
    await start({ folder });
    expect((await readdir(folder)).sort()).toEqual(["cluster", "password"]);
  });
});

describe("what keeps PostgreSQL from starting is told in one line:", () => {
  it("a platform without binaries", async () => {
    await expect(findBinaries("plan9", "mips")).rejects.toThrow(
      /^no embedded PostgreSQL for plan9-mips .*npm start -- --external$/,
    );
  });

  it("a port that is taken", async () => {
    const port = await freePort();
    const other = createServer().listen(port, "127.0.0.1");
    onTestFinished(() => void other.close());
    const failure = start({ folder: await dataFolder(), port });
    await expect(failure).rejects.toThrow(`port ${port} is taken (for PostgreSQL)`);
    await expect(failure).rejects.toBeInstanceOf(LocalError);
  });

  it("data of another major version", async () => {
    const folder = await dataFolder();
    await mkdir(join(folder, "cluster"), { recursive: true });
    await writeFile(join(folder, "cluster/PG_VERSION"), "17\n");
    await expect(start({ folder })).rejects.toThrow(/PostgreSQL 17's .* --fresh$/);
  });

  it("data that is damaged", async () => {
    const folder = await dataFolder();
    await (await start({ folder })).stop();
    await writeFile(join(folder, "cluster/postgresql.conf"), "no_such_setting = 1\n");
    await expect(start({ folder })).rejects.toThrow(/^PostgreSQL did not start in .*postgresql\.conf.*$/);
  });
});

describe.runIf(process.getuid?.() === 0)("root's PostgreSQL", () => {
  it("goes where its user can enter, and is erased from there", async () => {
    const folder = await dataFolder(0o700);
    const notices: string[] = [];
    const onNotice = (line: string): number => notices.push(line);
    const first = await start({ folder, onNotice });
    const [place = ""] = /\/var\/tmp\/breakwater-[0-9a-f]{12}/.exec(notices[0] ?? "") ?? [];
    await query(first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
    await first.stop();

    const second = await start({ folder, onNotice });
    expect(await query(second.url, "SELECT answer FROM kept")).toEqual([42]);
    expect(notices).toHaveLength(2);
    await second.stop();
    expect(await readdir(place)).toContain("data");

    await erasePostgres(folder);
    await expect(readdir(place)).rejects.toMatchObject({ code: "ENOENT" });
  });
});
