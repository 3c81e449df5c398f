/** PgBouncer in transaction mode: three server connections for any number of clients. */
import { existsSync } from "node:fs";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isOnPath, startServer } from "../../../src/local/child-process.ts";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { findOrCreateSystemUser, isRoot } from "../../../src/local/postgres.ts";

/** Debian's path, which is not on every PATH. */
const SYSTEM_PATH = "/usr/sbin/pgbouncer";

export const pgbouncerPath = (): string | undefined => {
  if (isOnPath("pgbouncer")) return "pgbouncer";
  return existsSync(SYSTEM_PATH) ? SYSTEM_PATH : undefined;
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

/** @returns its port */
export const startPgBouncer = async (databaseUrl: string, stops: CleanupStack): Promise<number> => {
  const command = pgbouncerPath();
  if (command === undefined) throw new Error("pgbouncer is not installed");
  const user = isRoot() ? await findOrCreateSystemUser() : undefined;
  const folder = await mkdtemp(join(tmpdir(), "breakwater-pgbouncer-"));
  stops.add(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "pgbouncer.ini");
  const port = await freePort();
  // The file contains the password.
  await writeFile(file, configuration(new URL(databaseUrl), port), { mode: 0o600 });
  if (user !== undefined) for (const path of [folder, file]) await chown(path, user.uid, user.gid);
  await chmod(folder, 0o700);
  const server = await startServer(
    { name: "pgbouncer", command, args: [file], cwd: folder, uid: user?.uid, gid: user?.gid },
    (line) => line.includes("process up"),
    { timeoutMs: 10_000 },
  );
  // SIGTERM ends it at once, SIGINT would wait for its clients.
  stops.add(() => server.stop({ signal: "SIGTERM", timeoutMs: 3_000 }));
  return port;
};
