/**
 * A Redis in this process, for machines without redis-server: ioredis-mock. Each mock has its own data; wrong types and
 * missing arguments mostly go unnoticed.
 */
import { createHash, randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import mockPackage from "ioredis-mock/package.json" with { type: "json" };
import { LRUCache } from "lru-cache";
import { type RedisAnswer, type RedisClient, type RedisCommand, replyOf } from "./redis.ts";

export interface RedisMock {
  readonly client: RedisClient;
  /** ioredis-mock's version. */
  readonly version: string;
  stop(): void;
}

export async function createRedisMock(): Promise<RedisMock> {
  // The mock's Lua, fengari, reads it once: it is to write 3.0 as "3".
  process.env["FENGARICONF"] = JSON.stringify({ LUA_COMPAT_FLOATSTRING: true });
  const { default: Mock } = await import("ioredis-mock");
  delete process.env["FENGARICONF"];
  // Clients of one host share their data.
  const mock = new Mock({ host: randomUUID() });
  const commands = new Set(new Redis({ lazyConnect: true }).getBuiltinCommands());
  /** By their digests; clients send a missing one again. */
  const scripts = new LRUCache<string, string>({ max: 100 });

  /** The mock has no `call`: a command is its method of that name. */
  const call = async (name: string, args: readonly string[]): Promise<RedisAnswer> => {
    const command = name.toLowerCase();
    const method: unknown = commands.has(command) ? Reflect.get(mock, command) : undefined;
    if (typeof method !== "function") return { error: `ERR unknown command '${name}'` };
    try {
      return { result: replyOf(await Reflect.apply(method, mock, args)) };
    } catch (error) {
      const message = messageOfScript(error instanceof Error ? error.message : String(error));
      return { error: /^[A-Z]+ /.test(message) ? message : `ERR ${message}` };
    }
  };
  const run = async ([name, ...args]: RedisCommand): Promise<RedisAnswer> => {
    const [first = "", second = "", ...others] = args;
    switch (name.toLowerCase()) {
      case "time":
        return { result: preciseTime() };
      case "evalsha": {
        const script = scripts.get(first.toLowerCase());
        if (script === undefined) return { error: "NOSCRIPT No matching script. Please use EVAL." };
        return await call("eval", [scriptForMock(script), second, ...others]);
      }
      case "eval":
        scripts.set(createHash("sha1").update(first).digest("hex"), first);
        return await call(name, [scriptForMock(first), second, ...others]);
      case "set":
        // The mock expects the options in upper case.
        return await call(name, [first, second, ...others.map((option) => option.toUpperCase())]);
      default:
        return await call(name, args);
    }
  };
  return {
    version: mockPackage.version,
    stop: () => mock.disconnect(),
    client: { run },
  };
}

/** The reply to TIME: the seconds, and the microseconds within the second. */
const preciseTime = (): readonly [seconds: string, microseconds: string] => {
  const nowMs = performance.timeOrigin + performance.now();
  return [String(Math.floor(nowMs / 1000)), String(Math.floor((nowMs % 1000) * 1000))];
};

/**
 * The mock runs scripts in Lua 5.3 on its own values; Redis runs Lua 5.1 on strings. A prelude in the script closes the
 * gap: arguments become text, replies become Lua tables with `false` for null, results become RESP2 values, and errors are
 * raised. Numbers stay floating-point, because the mock's 32-bit integers cannot hold a time in milliseconds. TIME is that
 * of the call, as in Redis; the mock's own jumps back and forth by a second. Tables are filled from the end: the mock
 * treats only those as arrays.
 */
const prelude = `
local raw = call
local function textOf(v)
  if type(v) == "number" then return string.format("%.17g", v) end
  return v
end
local function asFloat(convert)
  return function(...)
    local v = convert(...)
    return v and v + 0.0
  end
end
tonumber, math.floor, math.ceil = asFloat(tonumber), asFloat(math.floor), asFloat(math.ceil)
local function replyOf(v)
  if v == nil or (type(v) == "userdata" and tostring(v) == "null") then return false end
  if type(v) ~= "userdata" then return v end
  local t = {}
  for i = #v, 1, -1 do t[i] = replyOf(v[i]) end
  return t
end
function redis.pcall(...)
  local args = {...}
  if string.upper(args[1]) == "TIME" then return {TIME_SECONDS, TIME_MICROSECONDS} end
  for i = 1, #args do args[i] = textOf(args[i]) end
  if string.upper(args[1]) == "SET" then
    for i = 4, #args do args[i] = string.upper(args[i]) end
  end
  local ok, reply = pcall(raw, false, table.unpack(args))
  if ok then return replyOf(reply) end
  return {err = (string.gsub(tostring(reply), "^%a*Error: ", ""))}
end
function redis.call(...)
  local reply = redis.pcall(...)
  if type(reply) == "table" and reply.err then error(reply.err, 0) end
  return reply
end
function redis.error_reply(message) return {err = message} end
function redis.status_reply(message) return {ok = message} end
local function resultOf(v)
  if type(v) == "number" then return v < 0 and math.ceil(v) or math.floor(v) end
  if v == true then return 1 end
  if type(v) ~= "table" then return v end
  if v.err then error(v.err, 0) end
  if v.ok then return v.ok end
  local n, t = 0, {}
  while v[n + 1] ~= nil do n = n + 1 end
  for i = n, 1, -1 do t[i] = resultOf(v[i]) end
  return t
end
return resultOf((function()`;

/** The script for the mock, with the same line numbers. */
const scriptForMock = (source: string): string => {
  const [seconds, microseconds] = preciseTime();
  const time = `local TIME_SECONDS, TIME_MICROSECONDS = "${seconds}", "${microseconds}"`;
  return `${time} ${prelude.replaceAll("\n", " ")} ${source}\nend)())`;
};

/** The message of an error that a script raised, without the mock's additions. */
const messageOfScript = (message: string): string =>
  message
    .replace(/^Error trying to loading or executing lua code string in VM: /, "")
    .replace(/^\[string ".*?"\]:(?=\d+:)/s, "user_script:");
