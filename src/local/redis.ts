/** The local system's Redis: redis-server if it is on the PATH, otherwise a mock in this process. */
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { Redis } from "ioredis";
import { type ChildExit, isOnPath, startServer } from "./child-process.ts";
import { childEnvironment } from "./environment.ts";
import { freePort } from "./free-port.ts";
import { LocalError } from "./local-error.ts";

const START_TIMEOUT_MS = 10_000;
/** `exited` of a Redis that is no child process. */
const never = new Promise<never>(() => {});

/** A command's name and arguments. */
export type RedisCommand = readonly [name: string, ...args: string[]];

/** A reply in RESP2. */
export type RedisReply = string | Buffer | number | null | readonly RedisReply[];

/** An error begins with its code, such as "ERR" or "WRONGTYPE". */
export type RedisAnswer = { readonly result: RedisReply } | { readonly error: string };

export interface RedisClient {
  /** Commands run in the order of the calls. Rejects if the server is unreachable. */
  run(command: RedisCommand): Promise<RedisAnswer>;
}

export interface LocalRedis {
  readonly kind: "redis-server" | "ioredis-mock" | "external";
  /** The server's version, or ioredis-mock's. */
  readonly version: string;
  readonly client: RedisClient;
  /** Resolves after the server's exit, if it was started here; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** Disconnects, and stops a server that was started here. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts a Redis without persistence. It stops when this process ends, even by SIGKILL.
 * `BREAKWATER_EMBEDDED_REDIS=mock` in the environment selects the mock.
 *
 * @throws LocalError if it does not start within 10 s; the signal's reason. No process is left behind then.
 */
export async function startRedis({ signal }: { readonly signal?: AbortSignal } = {}): Promise<LocalRedis> {
  signal?.throwIfAborted();
  if (process.env["BREAKWATER_EMBEDDED_REDIS"] === "mock" || !isOnPath("redis-server")) {
    const { createRedisMock } = await import("./redis-mock.ts");
    const { client, version, stop } = await createRedisMock();
    return { kind: "ioredis-mock", version, client, exited: never, stop: async () => stop() };
  }
  const port = await freePort();
  const password = randomBytes(24).toString("hex");
  const server = await startServer(
    {
      name: "redis-server",
      command: "redis-server",
      args: ["-"],
      // Arguments would show the password in the list of processes.
      input: `bind 127.0.0.1\nport ${port}\nrequirepass ${password}\nsave ""\nappendonly no\n`,
      cwd: tmpdir(),
      env: childEnvironment(),
      endsWithParent: "SIGTERM",
    },
    (line) => line.includes("Ready to accept connections"),
    { timeoutMs: START_TIMEOUT_MS, signal },
  );
  try {
    const { version, client, disconnect } = await connect(`redis://:${password}@127.0.0.1:${port}`);
    const stop = async (): Promise<void> => {
      disconnect();
      await server.stop({ timeoutMs: 5_000 });
    };
    return { kind: "redis-server", version, client, exited: server.exited, stop };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/**
 * Connects to an existing server.
 *
 * @param url `redis://` or, over TLS, `rediss://`
 * @throws LocalError if it does not answer or rejects the credentials
 */
export async function connectRedis(url: string): Promise<LocalRedis> {
  const address = URL.parse(url);
  if (address === null || !["redis:", "rediss:"].includes(address.protocol)) {
    throw new LocalError("REDIS_URL is not a redis:// or rediss:// URL");
  }
  try {
    const { version, client, disconnect } = await connect(url);
    return { kind: "external", version, client, exited: never, stop: async () => disconnect() };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const server = `${address.protocol}//${address.host}`;
    throw new LocalError(`Redis at ${server} does not answer (${reason}): check REDIS_URL`, { cause });
  }
}

/** @throws the connection's error if the server does not answer or rejects the credentials */
const connect = async (url: string) => {
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 1,
    connectTimeout: 2_000,
    commandTimeout: 5_000,
    retryStrategy: (times) => Math.min(25 * times, 500),
  });
  let lastError: Error | undefined;
  redis.on("error", (error: Error) => {
    lastError = error;
  });
  const client: RedisClient = {
    run: ([name, ...args]) =>
      redis.callBuffer(name, ...args).then((reply) => ({ result: replyOf(reply) }), errorOf),
  };
  try {
    await redis.ping();
    const info = await redis.info("server").catch(() => "");
    const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? "unknown";
    return { version, client, disconnect: () => redis.disconnect() };
  } catch (error) {
    redis.disconnect();
    // The event contains the reason; the command's own error does not.
    throw lastError ?? error;
  }
};

/** Errors that are not the server's, such as a lost connection, stay exceptions. */
function errorOf(error: unknown): { readonly error: string } {
  if (error instanceof Error && error.name === "ReplyError") return { error: error.message };
  throw error;
}

/** Reverses conversions of ioredis and its mock: HGETALL's objects, errors in arrays. */
export function replyOf(reply: unknown): RedisReply {
  if (reply === null || reply === undefined || reply === false) return null;
  if (typeof reply === "number" || typeof reply === "string" || Buffer.isBuffer(reply)) return reply;
  if (Array.isArray(reply)) return reply.map(replyOf);
  if (reply instanceof Error) return reply.message;
  return Object.entries(reply).flat().map(replyOf);
}
