/**
 * Scripts for ioredis-mock, which runs them in Lua 5.3 on its own values; Redis runs Lua 5.1 on strings. A prelude in the
 * script closes the gap: arguments become text, replies become Lua tables with `false` for null, results become RESP2
 * values, and errors are raised. Numbers stay floating-point, because the mock's 32-bit integers cannot hold a time in
 * milliseconds. TIME is that of the call, as in Redis; the mock's own jumps back and forth by a second.
 *
 * Tables are filled from the end: the mock treats only those as arrays.
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

/** Configures the mock's Lua, fengari (the variable FENGARICONF, read once), to write 3.0 as "3". */
export const fengariConfiguration = JSON.stringify({ LUA_COMPAT_FLOATSTRING: true });

/** The reply to TIME: the seconds, and the microseconds within the second. */
export const timeOf = (nowMs: number): readonly [seconds: string, microseconds: string] => [
  String(Math.floor(nowMs / 1000)),
  String(Math.floor((nowMs % 1000) * 1000)),
];

/**
 * The script for the mock, with the same line numbers.
 *
 * @param nowMs the script's time, epoch milliseconds
 */
export const scriptForMock = (source: string, nowMs: number): string => {
  const [seconds, microseconds] = timeOf(nowMs);
  const time = `local TIME_SECONDS, TIME_MICROSECONDS = "${seconds}", "${microseconds}"`;
  return `${time} ${prelude.replaceAll("\n", " ")} ${source}\nend)())`;
};

/** The message of an error that a script raised, without the mock's additions. */
export const messageOfScript = (message: string): string =>
  message
    .replace(/^Error trying to loading or executing lua code string in VM: /, "")
    .replace(/^\[string ".*?"\]:(?=\d+:)/s, "user_script:");
