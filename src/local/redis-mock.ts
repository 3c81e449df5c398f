/** ioredis-mock as a client: a Redis in this process, for machines without redis-server. */
import { createHash, randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { Redis } from "ioredis";
import { type RedisAnswer, type RedisClient, type RedisCommand, replyOf } from "./redis-client.ts";
import { fengariConfiguration, messageOfScript, scriptForMock, timeOf } from "./redis-mock-script.ts";

export interface RedisMock {
  readonly client: RedisClient;
  /** ioredis-mock's own version. */
  readonly version: string;
  stop(): void;
}

/** Each mock has data of its own. Wrong types and missing arguments mostly go unnoticed. */
export async function createRedisMock(): Promise<RedisMock> {
  const Mock = await loadMock();
  // Clients of the same host share their data.
  const mock = new Mock({ host: randomUUID() });
  const known = new Set(new Redis({ lazyConnect: true }).getBuiltinCommands());
  const scripts = createScripts();
  const run = async (command: RedisCommand): Promise<RedisAnswer> => {
    const whole = scripts.whole(command);
    return whole === undefined ? noScript : await runOn(mock, known, whole);
  };
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

const noScript: RedisAnswer = { error: "NOSCRIPT No matching script. Please use EVAL." };

/** More are not known at a time: whoever runs one of them sends it again. */
const mostScripts = 100;

/** What the mock lacks: a script that was run once is known by its digest. */
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
        if (scripts.size > mostScripts && oldest !== undefined) scripts.delete(oldest);
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

/** The mock lacks `call`: a command is its method of that name. */
async function runOn(mock: object, known: ReadonlySet<string>, command: RedisCommand): Promise<RedisAnswer> {
  const [name, ...args] = adapted(command);
  if (/^time$/i.test(name) && args.length === 0) return { result: timeOf(preciseNow()) };
  const method: unknown = known.has(name.toLowerCase()) ? Reflect.get(mock, name.toLowerCase()) : undefined;
  if (typeof method !== "function") return { error: `ERR unknown command '${name}'` };
  try {
    const reply: unknown = await Reflect.apply(method, mock, args);
    return { result: replyOf(reply) };
  } catch (error) {
    return { error: withCode(messageOfScript(error instanceof Error ? error.message : String(error))) };
  }
}

/** Epoch milliseconds, with their fractions. */
const preciseNow = (): number => performance.timeOrigin + performance.now();

/** The mock knows SET's options in capitals alone. */
function adapted(command: RedisCommand): RedisCommand {
  const [name, first = "", second = "", ...rest] = command;
  if (/^set$/i.test(name)) return [name, first, second, ...rest.map((option) => option.toUpperCase())];
  if (/^eval$/i.test(name)) return [name, scriptForMock(first, preciseNow()), second, ...rest];
  return command;
}

const withCode = (message: string): string => (/^[A-Z]+ /.test(message) ? message : `ERR ${message}`);

function packageVersion(): string {
  const description: unknown = createRequire(import.meta.url)("ioredis-mock/package.json");
  const known = typeof description === "object" && description !== null && "version" in description;
  return known ? String(description.version) : "unknown";
}
