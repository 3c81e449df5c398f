/** ioredis-mock as a client: a Redis in this process, for machines without redis-server. */
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { Redis } from "ioredis";
import { type RedisAnswer, type RedisClient, type RedisCommand, replyOf } from "./redis-client.ts";
import { fengariConfiguration, messageOfScript, scriptForMock } from "./redis-mock-script.ts";

export interface RedisMock {
  readonly client: RedisClient;
  /** ioredis-mock's own version. */
  readonly version: string;
  stop(): void;
}

/** Each mock has data of its own. Wrong types and missing arguments mostly go unnoticed, EVALSHA is unknown. */
export async function createRedisMock(): Promise<RedisMock> {
  const Mock = await loadMock();
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

async function loadMock(): Promise<typeof import("ioredis-mock")> {
  process.env["FENGARICONF"] = fengariConfiguration;
  const { default: Mock } = await import("ioredis-mock");
  delete process.env["FENGARICONF"];
  return Mock;
}

/** The mock lacks `call`: a command is its method of that name. */
async function runOn(mock: object, known: ReadonlySet<string>, command: RedisCommand): Promise<RedisAnswer> {
  const [name, ...args] = adapted(command);
  const method: unknown = known.has(name.toLowerCase()) ? Reflect.get(mock, name.toLowerCase()) : undefined;
  if (typeof method !== "function") return { error: `ERR unknown command '${name}'` };
  try {
    const reply: unknown = await Reflect.apply(method, mock, args);
    return { result: replyOf(reply) };
  } catch (error) {
    return { error: withCode(messageOfScript(error instanceof Error ? error.message : String(error))) };
  }
}

/** The mock knows SET's options in capitals alone. */
function adapted(command: RedisCommand): RedisCommand {
  const [name, first = "", second = "", ...rest] = command;
  if (/^set$/i.test(name)) return [name, first, second, ...rest.map((option) => option.toUpperCase())];
  if (/^eval$/i.test(name)) return [name, scriptForMock(first), second, ...rest];
  return command;
}

const withCode = (message: string): string => (/^[A-Z]+ /.test(message) ? message : `ERR ${message}`);

function packageVersion(): string {
  const description: unknown = createRequire(import.meta.url)("ioredis-mock/package.json");
  const known = typeof description === "object" && description !== null && "version" in description;
  return known ? String(description.version) : "unknown";
}
