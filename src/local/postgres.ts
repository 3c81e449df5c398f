/** A real PostgreSQL for the local system, from npm's binaries, with its data in a folder of the project. */
import { addAbortListener } from "node:events";
import { resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import { type Child, type ChildExit, spawnChild } from "./child.ts";
import { assertPortFree, freePort } from "./free-port.ts";
import { LocalError } from "./local-error.ts";
import { databaseName, ensureCluster, postgresEnv } from "./postgres-cluster.ts";
import { essenceOf } from "./postgres-log.ts";
import { stopOrphan } from "./postgres-orphan.ts";
import { clustersOf, erasePlace, findPlace, type Place } from "./postgres-place.ts";
import { probePostgres } from "./postgres-probe.ts";

const host = "127.0.0.1";
const startMs = 30_000;
const probeMs = 25;
/** How long what goes away by itself may take to do so, and how often that is tried. */
const passingMs = 5_000;
const retryMs = 100;
const lostPortMs = 500;

export interface PostgresOptions {
  /** Where the data lives, such as `.breakwater/postgres`; created when missing. */
  readonly folder: string;
  /** Whether what was committed survives a crash of the machine; without it writes are faster. @default true */
  readonly durable?: boolean;
  /** @default 100 */
  readonly maxConnections?: number;
  /** @default a free one */
  readonly port?: number;
  /** Gives the start up; it does not stop a server that has started. */
  readonly signal?: AbortSignal;
  /** Told, in one line each, what the user may want to know. */
  readonly onNotice?: (line: string) => void;
}

export interface LocalPostgres {
  /** `postgres://breakwater:PASSWORD@127.0.0.1:PORT/breakwater`; the user is a superuser. */
  readonly url: string;
  readonly port: number;
  /** Such as "18.4". */
  readonly version: string;
  /** Resolves when the server is gone; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** Disconnects the clients and stops the server, by force after 10 s. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts a server and resolves when it answers, within 30 s.
 *
 * A server that an earlier run left behind in `folder` is stopped first. That no other run uses the folder is
 * the caller's to hold.
 *
 * @throws LocalError when it does not start
 * @throws the signal's reason when it fires; no process is left behind
 */
export async function startPostgres(options: PostgresOptions): Promise<LocalPostgres> {
  const { signal, onNotice = () => {} } = options;
  signal?.throwIfAborted();
  if (options.port !== undefined) await assertPortFree(options.port, "PostgreSQL");

  const place = await findPlace(resolve(options.folder), onNotice);
  const password = await ensureCluster(place, signal);

  const beganMs = performance.now();
  for (;;) {
    await stopOrphan(place.cluster, onNotice);
    signal?.throwIfAborted();
    const port = options.port ?? (await freePort());
    const server = launch(place, port, options);
    const connection = { host, port, user: databaseName, password, ssl: false };
    const outcome = await untilReady(server, connection, beganMs + startMs, signal);
    if (outcome.kind === "ready") {
      return {
        url: `postgres://${databaseName}:${password}@${host}:${port}/${databaseName}`,
        port,
        version: outcome.version,
        exited: server.exited,
        stop: () => stopServer(server),
      };
    }
    if (!isPassing(outcome.log) || performance.now() > beganMs + passingMs) {
      throw new LocalError(`PostgreSQL did not start in ${place.folder}: ${essenceOf(outcome.log)}`);
    }
    await pause(retryMs);
  }
}

/**
 * Removes the data of `folder`, wherever it was placed; a server left behind there is stopped first.
 *
 * @throws LocalError when it cannot be removed
 */
export async function erasePostgres(
  folder: string,
  onNotice: (line: string) => void = () => {},
): Promise<void> {
  const absolute = resolve(folder);
  for (const cluster of clustersOf(absolute)) await stopOrphan(cluster, onNotice);
  await erasePlace(absolute);
}

const fast = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };

function launch(
  place: Place,
  port: number,
  { durable = true, maxConnections = 100 }: PostgresOptions,
): Child {
  const settings = {
    listen_addresses: host,
    unix_socket_directories: "",
    max_connections: String(maxConnections),
    ...(durable ? {} : fast),
  };
  return spawnChild({
    name: "PostgreSQL",
    command: place.binaries.postgres,
    args: [
      // stopOrphan recognises the server by this argument.
      ...["-D", place.cluster],
      ...["-p", String(port)],
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    env: postgresEnv(),
    cwd: place.folder,
    uid: place.user?.uid,
    gid: place.user?.gid,
  });
}

/** Fast shutdown, then immediate shutdown (which recovers at the next start), then none at all. */
async function stopServer(server: Child): Promise<void> {
  server.signal("SIGINT");
  if (!(await server.exitsWithin(10_000))) await server.stop({ signal: "SIGQUIT", timeoutMs: 6_000 });
}

type Outcome =
  | { readonly kind: "ready"; readonly version: string }
  | { readonly kind: "exited"; readonly log: readonly string[] };

/**
 * What goes away by itself: a port taken in between, processes of a killed server that are about to end, a server
 * that an earlier run had just begun to start.
 */
const isPassing = (log: readonly string[]): boolean =>
  log.some((line) => /Address already in use|pre-existing shared memory|"postmaster.pid" already/.test(line));

/** Resolves when the server answers or is gone; otherwise stops it and throws. */
async function untilReady(
  server: Child,
  connection: pg.ClientConfig,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const stop = (): void => void stopServer(server);
  const listening = signal === undefined ? undefined : addAbortListener(signal, stop);
  try {
    for (;;) {
      const answer = await probePostgres(connection);
      signal?.throwIfAborted();
      if (answer.kind === "ready") return answer;
      // A server that answers while ours exits is somebody else's, on a port taken in between.
      if (await server.exitsWithin(answer.kind === "refused" ? lostPortMs : probeMs)) {
        signal?.throwIfAborted();
        return { kind: "exited", log: server.tail() };
      }
      if (answer.kind === "refused") {
        throw new LocalError(`PostgreSQL refuses its own user: ${answer.reason}`);
      }
      if (performance.now() > deadline) {
        throw new LocalError(
          `PostgreSQL did not answer within ${startMs / 1000} s: ${essenceOf(server.tail())}`,
        );
      }
    }
  } catch (error) {
    await stopServer(server);
    throw error;
  } finally {
    listening?.[Symbol.dispose]();
  }
}
