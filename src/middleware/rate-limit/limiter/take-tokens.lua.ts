/**
 * Takes tokens from several buckets at once, by Redis's own clock: from all of them, or from none.
 *
 * A bucket is a text, `LEVEL MICROSECONDS`: what was taken and is not back, and when that was so. One that is not
 * there is full, so it goes by itself when it has become full. One from a time that is still to come was written by a
 * machine whose clock was ahead: it goes on from now.
 *
 * KEYS: each bucket's name; then, where any of them may be overridden, the hash of the overrides. ARGV: how many
 * buckets; then for each its capacity, its refill a second, what is needed, what is wanted, up to which share of what
 * is there, "1" where it only counts, and its field among the overrides or "". A bucket grants what is needed, or, where
 * that is more, what is wanted up to that share; the less there is, the smaller a small share becomes.
 *
 * Returns text, as Lua's numbers lose their fractions on the way: "1", or "0" where a bucket has too few and nothing
 * was taken; then for each bucket what was granted, what is left, the capacity and the refill in force, and in how many
 * milliseconds there will be enough.
 */
export const TAKE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local count = tonumber(ARGV[1])
local names, fields, fieldOf = {}, {}, {}
for i = 1, count do
  names[i] = KEYS[i]
  local field = ARGV[7 * i + 1]
  if field ~= '' then
    fields[#fields + 1] = field
    fieldOf[i] = #fields
  end
end
local states = redis.call('MGET', (unpack or table.unpack)(names))
local overrides = {}
if #fields > 0 then overrides = redis.call('HMGET', KEYS[count + 1], (unpack or table.unpack)(fields)) end
local function pair(text)
  if not text then return nil, nil end
  local first, second = string.match(text, '^(%S+) (%S+)$')
  if not first then return nil, nil end
  return tonumber(first), tonumber(second)
end
local buckets, isRefused = {}, false
for i = 1, count do
  local at = 7 * i - 5
  local capacity, refill = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  if fieldOf[i] then
    local otherCapacity, otherRefill = pair(overrides[fieldOf[i]])
    if otherCapacity and otherRefill and otherCapacity > 0 and otherCapacity <= 1000000000
      and otherRefill >= 0.000001 and otherRefill <= 1000000 then
      capacity, refill = otherCapacity, otherRefill
    end
  end
  local level = 0
  local kept, since = pair(states[i])
  local isAhead = kept and since and since > now
  if kept and since then
    level = math.max(0, math.min(kept, capacity) - math.max(0, now - since) * refill / 1000000)
  end
  local need, isDryRun = tonumber(ARGV[at + 2]), ARGV[at + 5] == '1'
  local available = capacity - level
  local isShort = available + 0.000000001 < need
  if isShort and not isDryRun then isRefused = true end
  local wait = 0
  if isShort then wait = math.ceil((need - available) / refill * 1000) end
  buckets[i] = {
    capacity = capacity, refill = refill, level = level, need = isShort and 0 or need,
    want = tonumber(ARGV[at + 3]), share = tonumber(ARGV[at + 4]), wait = wait,
    isAhead = isAhead
  }
end
local reply = {isRefused and '0' or '1'}
for i = 1, count do
  local bucket = buckets[i]
  local granted = 0
  if not isRefused then
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
  local told = {granted, bucket.capacity - bucket.level, bucket.capacity, bucket.refill, bucket.wait}
  for j = 1, 5 do reply[#reply + 1] = string.format('%.17g', told[j]) end
end
return reply`;
