/** Redis scripts of the response cache. */

/**
 * Raises the versions of tags: each to the proposed version, or to the present one plus 1. Versions are milliseconds as
 * a rule, so that they still rise if Redis has lost them.
 *
 * KEYS are the tags' names; ARGV the proposed version, and the versions' lifetime, milliseconds.
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

/** Removes KEYS[1] if its value is ARGV[1]. */
export const REMOVE_IF_EQUAL = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;
