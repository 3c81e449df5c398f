/** What Redis does by itself for the cache, each in one go. */

/**
 * Raises the versions of tags in Redis: each to the version that is proposed, or to one more than is there. Versions
 * are milliseconds as a rule, so that they go on rising where Redis has lost them.
 *
 * KEYS are the tags' names; ARGV the proposed version, and for how long the versions are kept, milliseconds.
 */
export const RAISE_VERSIONS = `
local versions = {}
for i, key in ipairs(KEYS) do
  local version = tonumber(ARGV[1])
  local present = tonumber(redis.call('GET', key) or '0')
  if present >= version then version = present + 1 end
  redis.call('SET', key, string.format('%.0f', version), 'PX', ARGV[2])
  versions[i] = string.format('%.0f', version)
end
return versions`;

/** Removes KEYS[1] where ARGV[1] is what is there. */
export const REMOVE_IF_EQUAL = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;
