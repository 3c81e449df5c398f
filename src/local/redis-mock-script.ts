/**
 * Scripts for ioredis-mock: it runs them in Lua 5.3 over its own values, where Redis has Lua 5.1 over strings.
 * A prelude in the script itself closes the gap.
 */

const prelude = `
local raw = call
local function textOf(v)
  if type(v) ~= "number" then return v end
  if v == math.floor(v) and math.abs(v) < 2^53 then return string.format("%d", v) end
  return string.format("%.17g", v)
end
local function replyOf(v)
  if v == nil or (type(v) == "userdata" and tostring(v) == "null") then return false end
  if type(v) ~= "userdata" then return v end
  local t = {}
  for i = 1, #v do t[i] = replyOf(v[i]) end
  return t
end
function redis.call(...)
  local args = {...}
  for i = 1, #args do args[i] = textOf(args[i]) end
  if string.upper(args[1]) == "SET" then
    for i = 4, #args do args[i] = string.upper(args[i]) end
  end
  return replyOf(raw(false, table.unpack(args)))
end
function redis.pcall(...)
  local ok, reply = pcall(redis.call, ...)
  if ok then return reply end
  return redis.error_reply(tostring(reply))
end
function redis.error_reply(message) return {err = message} end
function redis.status_reply(message) return {ok = message} end
local nativeToString = tostring
function tostring(v)
  if type(v) == "number" and v == math.floor(v) and math.abs(v) < 2^53 then return string.format("%d", v) end
  return nativeToString(v)
end
local function resultOf(v)
  if type(v) == "number" then return v < 0 and math.ceil(v) or math.floor(v) end
  if v == true then return 1 end
  if type(v) ~= "table" then return v end
  if v.err then error(v.err, 0) end
  if v.ok then return v.ok end
  local t = {}
  for i = 1, #v do t[i] = resultOf(v[i]) end
  return t
end
return resultOf((function()`;

/** The same script for the mock; its lines keep their numbers. */
export const scriptForMock = (source: string): string => `${prelude.replaceAll("\n", " ")} ${source}\nend)())`;
