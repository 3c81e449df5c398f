/**
 * Takes tokens from all of several buckets or from none, by Redis's own clock.
 *
 * A bucket is the text `LEVEL MICROSECONDS`: the tokens taken and not yet refilled, and the time of that level. A missing
 * bucket is full, so keys expire when their bucket is full again. After a failover the stored time can be in the future;
 * the bucket then refills from now on.
 *
 * KEYS: the buckets; then the hash of overrides, if any bucket can have one. ARGV: the number of buckets; then per bucket
 * its capacity, refill per second, need, want, share, "1" for a dry run, and its override field or "". A bucket grants the
 * need, or the want as far as the share of the available tokens allows, if that is more: see `inAdvance`.
 *
 * Returns text, because Redis truncates Lua numbers: "1", or "0" if a bucket has too few tokens and none was taken; then
 * per bucket the tokens granted, those left, the capacity and refill in force, and the milliseconds until the need is met.
 */
export const TAKE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local count = tonumber(ARGV[1])
local unpack = unpack or table.unpack
local fields, fieldOf = {}, {}
for i = 1, count do
  local field = ARGV[7 * i + 1]
  if field ~= '' then
    fields[#fields + 1] = field
    fieldOf[i] = #fields
  end
end
local stored = redis.call('MGET', unpack(KEYS, 1, count))
local overrides = {}
if #fields > 0 then overrides = redis.call('HMGET', KEYS[count + 1], unpack(fields)) end
local function pair(text)
  local first, second = string.match(text or '', '^(%S+) (%S+)$')
  return tonumber(first or ''), tonumber(second or '')
end
local buckets, isRejected = {}, false
for i = 1, count do
  local at = 7 * i - 5
  local capacity, refill = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local otherCapacity, otherRefill = pair(overrides[fieldOf[i]])
  if otherCapacity and otherRefill and otherCapacity > 0 and otherCapacity <= 1000000000
    and otherRefill >= 0.000001 and otherRefill <= 1000000 then
    capacity, refill = otherCapacity, otherRefill
  end
  local level = 0
  local storedLevel, since = pair(stored[i])
  if storedLevel and since then
    level = math.max(0, math.min(storedLevel, capacity) - math.max(0, now - since) * refill / 1000000)
  end
  local need, isDryRun = tonumber(ARGV[at + 2]), ARGV[at + 5] == '1'
  local available = capacity - level
  local wait = 0
  if available + 0.000000001 < need then
    wait = math.ceil((need - available) / refill * 1000)
    need = 0
    isRejected = isRejected or not isDryRun
  end
  buckets[i] = {
    capacity = capacity, refill = refill, level = level, need = need, want = tonumber(ARGV[at + 3]),
    share = tonumber(ARGV[at + 4]), wait = wait, isAhead = storedLevel and since and since > now
  }
end
local reply = {isRejected and '0' or '1'}
for i = 1, count do
  local bucket = buckets[i]
  local granted = 0
  if not isRejected then
    granted = bucket.need
    if bucket.wait == 0 then
      local available = bucket.capacity - bucket.level
      local spare = available * bucket.share * (available / bucket.capacity) ^ (1 - bucket.share)
      granted = math.max(granted, math.min(bucket.want, math.floor(spare)))
    end
  end
  if granted > 0 or bucket.isAhead then
    bucket.level = bucket.level + granted
    local lifetime = math.min(31536000000, math.ceil(bucket.level / bucket.refill * 1000) + 1000)
    redis.call('SET', KEYS[i], string.format('%.17g %.0f', bucket.level, now), 'PX', string.format('%.0f', lifetime))
  end
  local numbers = {granted, bucket.capacity - bucket.level, bucket.capacity, bucket.refill, bucket.wait}
  for j = 1, 5 do reply[#reply + 1] = string.format('%.17g', numbers[j]) end
end
return reply`;
