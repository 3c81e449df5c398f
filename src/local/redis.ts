/** The local system's Redis: redis-server where the machine has it, else a mock in this process. */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { type Child, type ChildExit, isOnPath, spawnChild } from "./child.ts";
import { freePort } from "./free-port.ts";
import { LocalError } from "./local-error.ts";
import { type RedisClient, redisClient } from "./redis-client.ts";
import { createRedisConnection, type RedisConnection, untilRedisAnswers } from "./redis-connection.ts";
import { createRedisMock } from "./redis-mock.ts";
import { createServerFolder, stopRedisOrphans } from "./redis-orphans.ts";

const startMs = 10_000;
const connectMs = 5_000;

export interface RedisOptions {
  /** Gives the start up; it does not stop a server that has started. */
  readonly signal?: AbortSignal;
  /** Told, in one line each, what the user may want to know. */
  readonly onNotice?: (line: string) => void;
}

export interface LocalRedis {
  readonly kind: "redis-server" | "ioredis-mock" | "external";
  /** The server's; of a mock, ioredis-mock's own. */
  readonly version: string;
  readonly client: RedisClient;
  /** Resolves when it is gone; of a mock and of an external server, when `stop` was called. Never rejects. */
  readonly exited: Promise<ChildExit>;
  /** Disconnects, and stops a server that was started here. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts a Redis whose data is gone when it stops.
 *
 * `BREAKWATER_EMBEDDED_REDIS=mock` in the environment means the mock even where redis-server is.
 *
 * @throws LocalError when it does not answer within 10 s
 * @throws the signal's reason when it fires; no process is left behind
 */
export async function startRedis({ signal, onNotice = () => {} }: RedisOptions = {}): Promise<LocalRedis> {
  signal?.throwIfAborted();
  if (process.env["BREAKWATER_EMBEDDED_REDIS"] === "mock" || !isOnPath("redis-server")) return startMock();
  await stopRedisOrphans(onNotice);
  return startServer(signal);
}

async function startMock(): Promise<LocalRedis> {
  const { client, version, stop } = await createRedisMock();
  return { kind: "ioredis-mock", version, client, ...endedBy(stop) };
}

/** For what is no process: it is gone once `end` was called. */
function endedBy(end: () => void): Pick<LocalRedis, "exited" | "stop"> {
  const { promise: exited, resolve } = Promise.withResolvers<ChildExit>();
  return {
    exited,
    async stop() {
      end();
      resolve({ code: 0, signal: null });
    },
  };
}

/** Read from standard input, so that the password shows in no list of processes. */
const configuration = (port: number, password: string): string => `
bind 127.0.0.1
port ${port}
requirepass ${password}
save ""
appendonly no
dir .
`;

async function startServer(signal: AbortSignal | undefined): Promise<LocalRedis> {
  const port = await freePort();
  const password = randomBytes(24).toString("hex");
  const url = `redis://:${password}@127.0.0.1:${port}`;
  const folder = await createServerFolder(url);
  const connection = createRedisConnection(url);
  let server: Child | undefined;
  const stop = async (): Promise<void> => {
    connection.redis.disconnect();
    await server?.stop({ signal: "SIGTERM", timeoutMs: 5_000 });
    await rm(folder, { recursive: true, force: true });
  };
  try {
    server = spawnChild({
      name: "redis-server",
      command: "redis-server",
      args: ["-"],
      input: configuration(port, password),
      cwd: folder,
    });
    const version = await untilServerAnswers(server, connection, signal);
    return {
      kind: "redis-server",
      version,
      client: redisClient(connection.redis),
      exited: server.exited,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilServerAnswers(
  server: Child,
  connection: RedisConnection,
  signal: AbortSignal | undefined,
): Promise<string> {
  const gone = new AbortController();
  void server.exited.then(() => gone.abort());
  try {
    const version = await untilRedisAnswers(
      connection,
      anyOf(AbortSignal.timeout(startMs), gone.signal, signal),
    );
    signal?.throwIfAborted();
    return version;
  } catch (error) {
    signal?.throwIfAborted();
    throw new LocalError(`redis-server did not start: ${server.tail().at(-1) ?? messageOf(error)}`, {
      cause: error,
    });
  }
}

export interface ConnectOptions {
  readonly signal?: AbortSignal;
  /** How long the server may take to answer. @default 5 000 */
  readonly timeoutMs?: number;
}

/**
 * Connects to a server that is already there.
 *
 * @param url `redis://` or, over TLS, `rediss://`
 * @throws LocalError when it does not answer in time, or refuses
 * @throws the signal's reason when it fires
 */
export async function connectRedis(
  url: string,
  { signal, timeoutMs = connectMs }: ConnectOptions = {},
): Promise<LocalRedis> {
  signal?.throwIfAborted();
  const address = URL.parse(url);
  if (address === null || !["redis:", "rediss:"].includes(address.protocol)) {
    throw new LocalError("the address of Redis is no redis:// or rediss:// URL: check REDIS_URL");
  }
  const connection = createRedisConnection(url);
  try {
    const version = await untilRedisAnswers(connection, anyOf(AbortSignal.timeout(timeoutMs), signal));
    signal?.throwIfAborted();
    return {
      kind: "external",
      version,
      client: redisClient(connection.redis),
      ...endedBy(() => connection.redis.disconnect()),
    };
  } catch (error) {
    connection.redis.disconnect();
    signal?.throwIfAborted();
    const server = `${address.protocol}//${address.host}`;
    throw new LocalError(`Redis at ${server} does not answer (${messageOf(error)}): check REDIS_URL`, {
      cause: error,
    });
  }
}

const anyOf = (...signals: readonly (AbortSignal | undefined)[]): AbortSignal =>
  AbortSignal.any(signals.filter((signal) => signal !== undefined));

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
