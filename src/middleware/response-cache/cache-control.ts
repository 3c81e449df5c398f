/** The Cache-Control field (RFC 9111 §5.2, RFC 5861). */

/** Directives by lower-case name; one without an argument is true, seconds are numbers. */
export type CacheDirectives = ReadonlyMap<string, number | true>;

const DIRECTIVE = /([a-z-]+)(?:\s*=\s*"?(\d{1,10})"?)?/g;

/** Arguments other than whole seconds are passed over, and a directive that comes twice counts as it came first. */
export const readCacheControl = (field: string | null | undefined): CacheDirectives => {
  const directives = new Map<string, number | true>();
  for (const [, name = "", seconds] of (field ?? "").toLowerCase().matchAll(DIRECTIVE)) {
    if (!directives.has(name)) directives.set(name, seconds === undefined ? true : Number(seconds));
  }
  return directives;
};

/** The seconds that a directive names; undefined where it is absent or names none. */
export const secondsOf = (directives: CacheDirectives, name: string): number | undefined => {
  const value = directives.get(name);
  return typeof value === "number" ? value : undefined;
};
