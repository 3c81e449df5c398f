/** A PostgreSQL of the system's packages: it has pg_dump and pg_restore, which the embedded one lacks. */
import { existsSync, globSync } from "node:fs";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type Child, runProgram, startServer } from "../../src/local/child-process.ts";
import { freePort } from "../../src/local/free-port.ts";
import { findOrCreateSystemUser, isRoot } from "../../src/local/postgres.ts";

export interface InstalledPostgres {
  /** Its role may create databases. */
  readonly url: string;
  /** Kills the server without warning, and deletes its data. */
  destroy(): Promise<void>;
  /** An empty server at the same address. */
  create(): Promise<void>;
  /** Stops it, and deletes its files. */
  remove(): Promise<void>;
}

const NEEDED = ["initdb", "postgres", "pg_dump", "pg_restore", "psql"];
const TIMEOUT_MS = 120_000;
const USER = "owner";
/** Has to be encoded in a URL. */
const PASSWORD = "pass:word/1";

/** The folder with server and client of one version; undefined if none is installed. */
export const postgresPrograms = [
  // Debian's; the programs on the PATH there choose a version by themselves.
  ...globSync("/usr/lib/postgresql/*/bin").sort().reverse(),
  ...(process.env["PATH"] ?? "").split(delimiter),
].find((folder) => NEEDED.every((name) => existsSync(join(folder, name))));

export const startInstalledPostgres = async (programs: string): Promise<InstalledPostgres> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-installed-"));
  const user = isRoot() ? await findOrCreateSystemUser() : undefined;
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const port = await freePort();
  const data = join(folder, "data");
  const settings = { cwd: folder, env: { PATH: process.env["PATH"], LC_ALL: "C" }, ...user };
  const create = async (): Promise<Child> => {
    const pwfile = join(folder, "password");
    await writeFile(pwfile, PASSWORD);
    const args = ["--pgdata", data, "--username", USER, "--pwfile", pwfile, "--auth", "scram-sha-256"];
    await runProgram(
      {
        ...{ name: "initdb", command: join(programs, "initdb"), ...settings },
        args: [...args, "--encoding", "UTF8", "--no-locale", "--no-sync"],
      },
      { timeoutMs: TIMEOUT_MS },
    );
    return await startServer(
      {
        ...{ name: "PostgreSQL", command: join(programs, "postgres"), ...settings },
        args: ["-D", data, "-p", String(port), "-c", "listen_addresses=127.0.0.1", "-k", ""],
        endsWithParent: "SIGINT",
      },
      (line) => line.includes("ready to accept connections"),
      { timeoutMs: TIMEOUT_MS },
    );
  };
  let server = await create();
  const destroy = async (): Promise<void> => {
    server.signal("SIGKILL");
    await server.exited;
    await rm(data, { recursive: true, force: true, maxRetries: 10 });
  };
  return {
    url: `postgres://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/postgres`,
    destroy,
    create: async () => {
      server = await create();
    },
    remove: async () => {
      await destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
