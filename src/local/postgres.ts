/** A real PostgreSQL for the local system, with its data in a folder of the project. */
import { randomBytes } from "node:crypto";
import { chown, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import pg from "pg";
import { sleep } from "../lib/async.ts";
import { type Child, type ChildExit, runProgram, startServer } from "./child-process.ts";
import { assertPortFree, freePort } from "./free-port.ts";
import { LocalError } from "./local-error.ts";
import { type PostgresPaths, preparePaths, removeData } from "./postgres-paths.ts";
import { commandLineOf } from "./state-dir.ts";

const START_TIMEOUT_MS = 30_000;
/** How long to retry while an earlier server is still ending, or after a race for the port. */
const RETRY_MS = 10_000;
const RETRY_INTERVAL_MS = 100;
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
  const { signal, onNotice = () => {} } = options;
  signal?.throwIfAborted();
  if (options.port !== undefined) await assertPortFree(options.port, "PostgreSQL");
  const paths = await preparePaths(resolve(options.folder), onNotice);
  const password = await ensureCluster(paths, signal);
  await removeStalePidFile(paths);

  const retryUntilMs = performance.now() + RETRY_MS;
  for (;;) {
    const port = options.port ?? (await freePort());
    try {
      const server = await launch(paths, port, options);
      const stop = (): Promise<void> => stopServer(server);
      const url = `postgres://${NAME}:${password}@127.0.0.1:${port}/${NAME}`;
      const version = await prepareDatabase(url, signal).catch(async (error: unknown) => {
        await stop();
        throw error;
      });
      return { url, port, version, exited: server.exited, stop };
    } catch (error) {
      const isTransient = /lock file|shared memory block|create any TCP/.test(String(error));
      if (!isTransient || performance.now() > retryUntilMs) {
        if (!(error instanceof LocalError)) throw error;
        const remedy = `its data is in ${paths.folder}; npm start -- --fresh erases it`;
        throw new LocalError(`${error.message} (${remedy})`, { cause: error });
      }
      await sleep(RETRY_INTERVAL_MS);
    }
  }
}

/** Removes the data of `folder`. @throws LocalError if that is impossible */
export const erasePostgres = (folder: string): Promise<void> => removeData(resolve(folder));

/** What PostgreSQL's programs see of the environment: no PG… variables, messages in English. */
const environment = (): NodeJS.ProcessEnv => ({ PATH: process.env["PATH"], LC_ALL: "C" });

const asUser = ({ folder, user }: PostgresPaths) => ({ env: environment(), cwd: folder, ...user });

/**
 * Creates the data directory if there is none. initdb works in a temporary folder that is renamed when complete, so an
 * interruption leaves no incomplete data directory.
 *
 * @returns the superuser's password
 */
async function ensureCluster(paths: PostgresPaths, signal: AbortSignal | undefined): Promise<string> {
  const { folder, user } = paths;
  const passwordFile = join(folder, "password");
  const partials = (await readdir(folder)).filter((name) => name.startsWith("partial-"));
  for (const name of partials) await rm(join(folder, name), { recursive: true });
  if (await stat(join(folder, "cluster")).catch(() => undefined)) {
    return (await readFile(passwordFile, "utf8")).trim();
  }
  const password = randomBytes(24).toString("hex");
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user !== undefined) await chown(passwordFile, user.uid, user.gid);
  const partial = join(folder, `partial-${randomBytes(6).toString("hex")}`);
  try {
    await runProgram(
      {
        name: "PostgreSQL's initdb",
        command: paths.initdb,
        args: [
          ...[
            `--pgdata=${partial}`,
            `--username=${NAME}`,
            `--pwfile=${passwordFile}`,
            "--auth=scram-sha-256",
          ],
          // The builtin C.UTF-8, because macOS has none.
          ...["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
          ...["--lc-collate=C", "--lc-ctype=C", "--no-sync", "--no-instructions"],
        ],
        ...asUser(paths),
      },
      { timeoutMs: START_TIMEOUT_MS, signal },
    );
    await rename(partial, join(folder, "cluster"));
  } finally {
    await rm(partial, { recursive: true, force: true, maxRetries: 5 });
  }
  return password;
}

/** PostgreSQL refuses to start if the process id in its file belongs to another program by now. */
async function removeStalePidFile({ folder }: PostgresPaths): Promise<void> {
  const file = join(folder, "cluster/postmaster.pid");
  const pid = Number.parseInt(await readFile(file, "utf8").catch(() => ""), 10);
  const commandLine = pid > 1 ? await commandLineOf(pid) : "";
  // The file of a server that was killed stays: it shows PostgreSQL whether some of its processes still run.
  if (commandLine !== "" && !/(^|\/)postgres(:| |$)/.test(commandLine)) await rm(file, { force: true });
}

const FAST = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };

const launch = (paths: PostgresPaths, port: number, options: PostgresOptions): Promise<Child> => {
  const { durable = true, maxConnections = 100, signal } = options;
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    max_connections: String(maxConnections),
    ...(durable ? {} : FAST),
  };
  return startServer(
    {
      name: "PostgreSQL",
      command: paths.postgres,
      args: [
        "-D",
        join(paths.folder, "cluster"),
        ...Object.entries(settings).map((setting) => `--${setting.join("=")}`),
      ],
      ...asUser(paths),
      endsWithParent: "SIGINT",
    },
    (line) => line.includes("database system is ready to accept connections"),
    { timeoutMs: START_TIMEOUT_MS, signal },
  );
};

/** Creates the database if missing, and returns the server's version. */
async function prepareDatabase(url: string, signal: AbortSignal | undefined): Promise<string> {
  const maintenance = new URL(url);
  maintenance.pathname = "postgres";
  const client = new pg.Client({ connectionString: maintenance.href });
  try {
    await client.connect();
    const { rows } = await client.query<{ version: string; exists: boolean }>(
      `SELECT current_setting('server_version') AS version,
              EXISTS (SELECT FROM pg_database WHERE datname = $1) AS exists`,
      [NAME],
    );
    if (rows[0]?.exists === false) await client.query(`CREATE DATABASE ${NAME}`);
    signal?.throwIfAborted();
    return rows[0]?.version ?? "unknown";
  } catch (cause) {
    signal?.throwIfAborted();
    throw new LocalError(`PostgreSQL cannot be used: ${String(cause)}`, { cause });
  } finally {
    await client.end().catch(() => {});
  }
}

/** Fast shutdown, then immediate shutdown, which requires a recovery at the next start, then SIGKILL. */
async function stopServer(server: Child): Promise<void> {
  server.signal("SIGINT");
  if (!(await server.exitsWithin(10_000))) await server.stop({ signal: "SIGQUIT", timeoutMs: 6_000 });
}
