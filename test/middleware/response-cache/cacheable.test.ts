import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Duration } from "../../../src/contract/duration.ts";
import { type CacheRoute, cacheableRoute } from "../../../src/middleware/response-cache/cacheable.ts";

const route = {
  method: "GET",
  path: "/things/:id",
  fields: ["if-none-match", "x-tenant"],
  parameters: ["a", "b", "c"],
  policy: { auth: "public", cache: { fresh: "60s", tags: ["things/:id"] } },
} as const satisfies CacheRoute;

const target = (query: string, path = "/things/1") => ({ origin: "https://api.test", path, query });
const noField = (): undefined => undefined;
const keyOf = (query: string, tier: "edge" | "origin" = "origin"): string | undefined =>
  cacheableRoute(route, tier, 10)?.key(target(query), noField);

test.each([
  ["has no cache policy", { policy: { auth: "public" } }],
  ["writes", { method: "PUT" }],
] as const)("a route that %s is not cached", (_, change) => {
  expect(cacheableRoute({ ...route, ...change }, "edge", 10)).toBeUndefined();
});

describe("a key", () => {
  test("is a URL at the edge, and the same at every origin", () => {
    expect(keyOf("?b=2&a=1", "edge")).toBe("https://api.test/things/1?a=1&b=2");
    expect(keyOf("?b=2&a=1")).toBe("/things/1?a=1&b=2");
    expect(keyOf("")).toBe("/things/1");
  });

  test("is the same for the same parameters in any order, and differs for others", () => {
    const values = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.string({ unit: "binary", maxLength: 8 }));
    fc.assert(
      fc.property(values, values, (one, other) => {
        const ordered = (parameters: Record<string, string>, names: string[]): string => {
          const query = new URLSearchParams();
          for (const name of names) if (name in parameters) query.set(name, parameters[name] ?? "");
          return `?${query}`;
        };
        const [forward, backward] = [ordered(one, ["a", "b", "c"]), ordered(one, ["c", "b", "a"])];
        expect(keyOf(backward)).toBe(keyOf(forward));
        const isSame = ordered(other, ["a", "b", "c"]) === forward;
        expect(keyOf(ordered(other, ["b", "a", "c"])) === keyOf(forward)).toBe(isSame);
      }),
    );
  });

  test.each([
    "?d=1",
    "?a=1&a=2",
    "?a=1&__proto__=1",
    `?a=${"x".repeat(3_000)}`,
  ])("is missing for %.30s", (query) => {
    expect(keyOf(query)).toBeUndefined();
  });

  test("is missing with a field that the handler reads, except a plain If-None-Match", () => {
    const withField = (name: string, value: string): string | undefined =>
      cacheableRoute(route, "origin", 10)?.key(target(""), (field) => (field === name ? value : undefined));
    expect(withField("x-tenant", "1")).toBeUndefined();
    expect(withField("x-other", "1")).toBe("/things/1");
    expect(withField("if-none-match", '"1"')).toBe("/things/1");
    expect(withField("if-none-match", '"ü"')).toBeUndefined();
    expect(withField("if-none-match", `"${"1".repeat(2_000)}"`)).toBeUndefined();
  });
});

test("a 404 is stored for five seconds, or for a shorter freshness", () => {
  const negativeMs = (fresh: Duration | undefined, defaultFreshS: number): number | undefined => {
    const policy = { auth: "public", cache: fresh === undefined ? {} : { fresh } } as const;
    return cacheableRoute({ ...route, policy }, "origin", defaultFreshS)?.negativeMs;
  };
  const times = [negativeMs("1m", 60), negativeMs("2s", 60), negativeMs(undefined, 3), negativeMs("1m", 0)];
  expect(times).toEqual([5_000, 2_000, 3_000, 0]);
});
