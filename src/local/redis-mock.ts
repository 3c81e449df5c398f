/**
 * A Redis in this process, for machines without redis-server: ioredis-mock, adapted to the product's commands
 * and scripts. Each mock has its own data; it reports few errors of type or arity.
 */
import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import mockPackage from "ioredis-mock/package.json" with { type: "json" };
import { type RedisAnswer, type RedisClient, replyOf } from "./redis.ts";

export async function createRedisMock() {
  // Makes the mock's Lua, fengari, write 3.0 as "3"; read once, at import.
  process.env["FENGARICONF"] = JSON.stringify({ LUA_COMPAT_FLOATSTRING: true });
  const { default: Mock } = await import("ioredis-mock");
  delete process.env["FENGARICONF"];
  // Clients of one host share their data.
  const mock = new Mock({ host: randomUUID() });
  const commands = new Set(new Redis({ lazyConnect: true }).getBuiltinCommands());

  /** The mock has no `call`: each command is a method. */
  const call = async (name: string, args: readonly string[]): Promise<RedisAnswer> => {
    const method: unknown = commands.has(name) ? Reflect.get(mock, name) : undefined;
    if (typeof method !== "function") return { error: `ERR unknown command '${name}'` };
    try {
      return { result: replyOf(await Reflect.apply(method, mock, args)) };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { error: /^[A-Z]+ /.test(message) ? message : `ERR ${message}` };
    }
  };
  const run: RedisClient["run"] = async ([name, ...args]) => {
    const command = name.toLowerCase();
    const [script = "", ...others] = args;
    // The mock stores no scripts; clients then send the script itself.
    if (command === "evalsha") return { error: "NOSCRIPT No matching script. Please use EVAL." };
    return await call(command, command === "eval" ? [scriptForMock(script), ...others] : args);
  };
  const client: RedisClient = { run };
  return { client, version: mockPackage.version, stop: (): void => mock.disconnect() };
}

/**
 * The mock runs scripts in Lua 5.3 on its own values; Redis runs Lua 5.1 on strings. A prelude in the script
 * closes the gap: replies become Lua tables with `false` for null, and results become RESP2 values. Numbers
 * stay floating-point, because the mock's 32-bit integers cannot hold a time in milliseconds. TIME is that of
 * the call, as in Redis; the mock's own jumps back and forth by a second. Tables are filled from the end: the
 * mock treats only those as arrays.
 */
const prelude = `
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
local raw = redis.call
function redis.call(name, ...)
  if name == "TIME" then return {TIME_SECONDS, TIME_MICROSECONDS} end
  return replyOf(raw(name, ...))
end
local function resultOf(v)
  if type(v) == "number" then return v < 0 and math.ceil(v) or math.floor(v) end
  if v == true then return 1 end
  if type(v) ~= "table" then return v end
  local t = {}
  for i = #v, 1, -1 do t[i] = resultOf(v[i]) end
  return t
end
return resultOf((function()`;

/** The script for the mock, with the same line numbers. */
const scriptForMock = (source: string): string => {
  const nowMs = performance.timeOrigin + performance.now();
  const [seconds, microseconds] = [Math.floor(nowMs / 1000), Math.floor((nowMs % 1000) * 1000)];
  const time = `local TIME_SECONDS, TIME_MICROSECONDS = "${seconds}", "${microseconds}"`;
  return `${time} ${prelude.replaceAll("\n", " ")} ${source}\nend)())`;
};
