/** PgBouncer in transaction mode: three server connections for any number of clients. */
import { existsSync } from "node:fs";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { isOnPath, spawnChild } from "../../../src/local/child-process.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { findOrCreateSystemUser, isRoot } from "../../../src/local/postgres.ts";
import { until } from "./poll.ts";

/** Debian's path, which is not on every PATH. */
const systemPath = "/usr/sbin/pgbouncer";

export const pgbouncerPath = (): string | undefined => {
  if (isOnPath("pgbouncer")) return "pgbouncer";
  return existsSync(systemPath) ? systemPath : undefined;
};

/** PgBouncer misreads an empty password. */
const credentials = ({ username, password }: URL): string =>
  password === "" ? `user=${username}` : `user=${username} password=${password}`;

const configuration = (target: URL, port: number): string => `
[databases]
* = host=${target.hostname} port=${target.port} ${credentials(target)}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 300
server_login_retry = 0.2
query_wait_timeout = 3
`;

export interface PgBouncer {
  readonly port: number;
  stop(): Promise<void>;
}

export const startPgBouncer = async (databaseUrl: string): Promise<PgBouncer> => {
  const command = pgbouncerPath();
  if (command === undefined) throw new Error("pgbouncer is not installed");
  const user = isRoot() ? await findOrCreateSystemUser() : undefined;
  const folder = await mkdtemp(join(tmpdir(), "breakwater-pgbouncer-"));
  const file = join(folder, "pgbouncer.ini");
  const port = await freePort();
  // The file contains the password.
  await writeFile(file, configuration(new URL(databaseUrl), port), { mode: 0o600 });
  if (user !== undefined) {
    await chown(folder, user.uid, user.gid);
    await chown(file, user.uid, user.gid);
  }
  await chmod(folder, 0o700);
  const child = spawnChild({
    name: "pgbouncer",
    command,
    args: [file],
    cwd: folder,
    uid: user?.uid,
    gid: user?.gid,
  });
  const stop = async (): Promise<void> => {
    // SIGTERM ends it at once, SIGINT would wait for its clients.
    await child.stop({ signal: "SIGTERM", timeoutMs: 3_000 });
    await rm(folder, { recursive: true, force: true });
  };
  const url = new URL(databaseUrl);
  url.port = String(port);
  const answers = async (): Promise<boolean> => {
    const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 1_000 });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query("SELECT 1");
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  try {
    await until("pgbouncer answers", answers, 10_000);
  } catch (error) {
    await stop();
    throw new Error(`pgbouncer did not start: ${child.tail().join("; ")}`, { cause: error });
  }
  return { port, stop };
};
