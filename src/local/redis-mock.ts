/** A Redis in this process, for machines without redis-server: ioredis-mock. */
import { createHash, randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { Redis } from "ioredis";
import { type RedisAnswer, type RedisClient, type RedisCommand, replyOf } from "./redis-client.ts";
import { fengariConfiguration, messageOfScript, scriptForMock, timeOf } from "./redis-mock-script.ts";

export interface RedisMock {
  readonly client: RedisClient;
  /** ioredis-mock's version. */
  readonly version: string;
  stop(): void;
}

/** Each mock has its own data. Wrong types and missing arguments mostly go unnoticed. */
export async function createRedisMock(): Promise<RedisMock> {
  const Mock = await loadMock();
  // Clients of one host share their data.
  const mock = new Mock({ host: randomUUID() });
  const commands = new Set(new Redis({ lazyConnect: true }).getBuiltinCommands());
  const scripts = createScripts();
  const run = async (command: RedisCommand): Promise<RedisAnswer> => {
    const whole = scripts.whole(command);
    return whole === undefined ? noScript : await runOn(mock, commands, whole);
  };
  return {
    version: packageVersion(),
    stop: () => mock.disconnect(),
    client: {
      run,
      // The mock runs a command within the call, so the commands of one loop are atomic.
      transaction: (all) => Promise.all(all.map(run)),
    },
  };
}

const noScript: RedisAnswer = { error: "NOSCRIPT No matching script. Please use EVAL." };

/** Cached scripts; clients send a missing one again. */
const MAX_SCRIPTS = 100;

/** The script cache that the mock lacks: EVALSHA runs a script by its digest. */
function createScripts(): { whole(command: RedisCommand): RedisCommand | undefined } {
  const scripts = new Map<string, string>();
  return {
    whole([name, first = "", ...rest]) {
      if (/^evalsha$/i.test(name)) {
        const script = scripts.get(first.toLowerCase());
        return script === undefined ? undefined : ["EVAL", script, ...rest];
      }
      if (/^eval$/i.test(name)) {
        scripts.set(createHash("sha1").update(first).digest("hex"), first);
        const [oldest] = scripts.keys();
        if (scripts.size > MAX_SCRIPTS && oldest !== undefined) scripts.delete(oldest);
      }
      return first === "" && rest.length === 0 ? [name] : [name, first, ...rest];
    },
  };
}

async function loadMock(): Promise<typeof import("ioredis-mock")> {
  process.env["FENGARICONF"] = fengariConfiguration;
  const { default: Mock } = await import("ioredis-mock");
  delete process.env["FENGARICONF"];
  return Mock;
}

/** The mock has no `call`: a command is its method of that name. */
async function runOn(
  mock: object,
  commands: ReadonlySet<string>,
  command: RedisCommand,
): Promise<RedisAnswer> {
  const [name, ...args] = adapted(command);
  if (/^time$/i.test(name) && args.length === 0) return { result: timeOf(preciseNow()) };
  const method: unknown = commands.has(name.toLowerCase())
    ? Reflect.get(mock, name.toLowerCase())
    : undefined;
  if (typeof method !== "function") return { error: `ERR unknown command '${name}'` };
  try {
    const reply: unknown = await Reflect.apply(method, mock, args);
    return { result: replyOf(reply) };
  } catch (error) {
    return { error: withCode(messageOfScript(error instanceof Error ? error.message : String(error))) };
  }
}

/** Epoch milliseconds with fractions. */
const preciseNow = (): number => performance.timeOrigin + performance.now();

/** The mock expects SET's options in upper case. */
function adapted(command: RedisCommand): RedisCommand {
  const [name, first = "", second = "", ...rest] = command;
  if (/^set$/i.test(name)) return [name, first, second, ...rest.map((option) => option.toUpperCase())];
  if (/^eval$/i.test(name)) return [name, scriptForMock(first, preciseNow()), second, ...rest];
  return command;
}

const withCode = (message: string): string => (/^[A-Z]+ /.test(message) ? message : `ERR ${message}`);

function packageVersion(): string {
  const description: unknown = createRequire(import.meta.url)("ioredis-mock/package.json");
  const isPackage = typeof description === "object" && description !== null && "version" in description;
  return isPackage ? String(description.version) : "unknown";
}
