/** ioredis-mock as a client: a Redis in this process, for machines without redis-server. */
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { Redis } from "ioredis";
import { type RedisAnswer, type RedisClient, type RedisCommand, replyOf } from "./redis-client.ts";

export interface RedisMock {
  readonly client: RedisClient;
  /** ioredis-mock's own version. */
  readonly version: string;
  stop(): void;
}

/** Each mock has data of its own. Scripts get EVAL alone; wrong types and missing arguments go unnoticed. */
export async function createRedisMock(): Promise<RedisMock> {
  const { default: Mock } = await import("ioredis-mock");
  // Clients of the same host share their data.
  const mock = new Mock({ host: randomUUID() });
  const known = new Set(new Redis({ lazyConnect: true }).getBuiltinCommands());
  const run = (command: RedisCommand): Promise<RedisAnswer> => runOn(mock, known, command);
  return {
    version: packageVersion(),
    stop: () => mock.disconnect(),
    client: {
      run,
      // The mock does a command's work within the call: nothing comes between those of one loop.
      transaction: (commands) => Promise.all(commands.map(run)),
    },
  };
}

/** The mock lacks `call`: a command is its method of that name. */
async function runOn(mock: object, known: ReadonlySet<string>, command: RedisCommand): Promise<RedisAnswer> {
  const [name, ...args] = command;
  const method: unknown = known.has(name.toLowerCase()) ? Reflect.get(mock, name.toLowerCase()) : undefined;
  if (typeof method !== "function") return { error: `ERR unknown command '${name}'` };
  try {
    const reply: unknown = await Reflect.apply(method, mock, args);
    return { result: replyOf(reply) };
  } catch (error) {
    return { error: withCode(error instanceof Error ? error.message : String(error)) };
  }
}

const withCode = (message: string): string => (/^[A-Z]+ /.test(message) ? message : `ERR ${message}`);

function packageVersion(): string {
  const description: unknown = createRequire(import.meta.url)("ioredis-mock/package.json");
  const known = typeof description === "object" && description !== null && "version" in description;
  return known ? String(description.version) : "unknown";
}
