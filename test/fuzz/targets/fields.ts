/** Single header fields: preconditions, media types, Cache-Control, tags, and what selects a cached response. */
import fc from "fast-check";
import * as z from "zod/mini";
import { problem } from "../../../src/contract/problem.ts";
import {
  entityTag,
  isJson,
  knownMethod,
  matchHolds,
  noneMatchHolds,
  spanName,
  strongTags,
} from "../../../src/lib/http.ts";
import { escapeUnprintable, notUnicodeAt, notUtf8Parameters } from "../../../src/lib/unicode.ts";
import { cacheableRoute, isCacheable } from "../../../src/middleware/response-cache/cacheable.ts";
import {
  cancelBody,
  entryOf,
  freshnessOf,
  isFailure,
  isLastResort,
  lifetimeMs,
  readCacheControl,
  resultStatus,
  sharedWindows,
  windowsOf,
} from "../../../src/middleware/response-cache/entry.ts";
import {
  createInvalidations,
  readTags,
  tagsFor,
  writeTags,
  writtenTag,
} from "../../../src/middleware/response-cache/invalidations.ts";
import { nearTexts } from "../mutate.ts";
import { defineTarget, must, mustEqual } from "../target.ts";

export const preconditions = defineTarget({
  name: "preconditions",
  files: ["lib/http.ts"],
  schema: z.string(),
  inputs: (seeds) => nearTexts(seeds, ['W/"1"', '"1"', "application/json", "charset=", "utf-8", "utf8"]),
  start: () => ({
    run: (field) => {
      const current = entityTag(1);
      const tags = strongTags(field);
      must(tags === "*" || tags.every((tag) => /^"[^"]*"$/.test(tag)), "a tag that is not one");
      // What is equal by strong comparison is equal by weak comparison, too.
      must(!matchHolds(field, current) || noneMatchHolds(field, current), "strong, but not weak");
      if (isJson(field)) must(field.toLowerCase().includes("application/json"), "not JSON");
      must(/^(?:HTTP|[A-Z]+)( |$)/.test(spanName(knownMethod(field), "")), "an unknown method");
      spanName(knownMethod(field), field);
    },
  }),
});

export const cacheControl = defineTarget({
  name: "cache-control",
  files: ["middleware/response-cache/entry.ts", "contract/duration.ts"],
  schema: z.object({ field: z.string(), age: z.string(), status: z.string() }),
  inputs: (seeds) => {
    const near = (name: "field" | "age" | "status", words: readonly string[]) =>
      nearTexts(
        seeds.map((seed) => seed[name]),
        words,
      );
    const words = [
      "public",
      "private",
      "max-age=",
      "stale-while-revalidate=5",
      "stale-if-error=",
      "no-cache",
    ];
    return fc.record({
      field: near("field", words),
      age: near("age", []),
      status: near("status", ["stale-if-error", "; hit"]),
    });
  },
  start: () => ({
    run: ({ field, age, status }) => {
      for (const [name, seconds] of readCacheControl(field))
        must(/^[a-z-]+$/.test(name) && (seconds ?? 0) >= 0, "a directive that is not one");
      const windows = sharedWindows(field);
      if (windows !== undefined) {
        must(
          Object.values(windows).every((ms) => Number.isSafeInteger(ms) && ms >= 0),
          "a window of no time",
        );
        const ms = lifetimeMs(windows);
        freshnessOf(ms, windows);
        must(!isLastResort(ms, windows) || windows.staleIfErrorMs > 0, "a last resort");
        must(freshnessOf(ms, windows) === "expired", "fresh after its lifetime");
        for (const part of [0, windows.freshMs, windows.freshMs + windows.staleWhileRevalidateMs])
          freshnessOf(part, windows);
      }
      const headers = { "cache-control": field, age, "cache-status": status, etag: '"1"' };
      const options = { atMs: 10_000, asOfMs: 10_000, tags: ["a"], negativeMs: 1_000, random: 0.5 };
      for (const maxAgeS of [undefined, 3])
        for (const code of [200, 404]) {
          const entry = entryOf({ status: code, headers, body: "x" }, { ...options, maxAgeS });
          if (entry === undefined) continue;
          must(code === 200 && windows !== undefined, "a response that must not be stored");
          must(Number.isFinite(entry.generatedAtMs) && Number.isFinite(entry.asOfMs), "an entry of no time");
        }
      const failure = problem("unavailable");
      must(isFailure(failure) && resultStatus(failure) === 503, "a failure");
      must(!isFailure({ status: 200, headers, body: null }), "no failure");
      cancelBody(new Response("x"));
      cancelBody({ status: 200, headers, body: "x" });
      must(windowsOf({ fresh: "5s" }, 3).freshMs === 5_000 && windowsOf({}, 3).freshMs === 3_000, "windows");
      must(entryOf(failure, options) === undefined, "a stored failure");
      must(entryOf(problem("not_found"), options) !== undefined, "a 404 that is not stored");
    },
  }),
});

const route = {
  method: "GET",
  path: "/v1/products/:id",
  policy: { auth: "public", cache: { fresh: "5s", tags: ["products/:id", "products"] } },
  fields: ["if-none-match"],
  parameters: ["q", "limit"],
} as const;

export const cachedRequests = defineTarget({
  name: "cached-requests",
  files: [
    "middleware/response-cache/cacheable.ts",
    "middleware/response-cache/invalidations.ts",
    "lib/unicode.ts",
  ],
  schema: z.object({ path: z.string(), query: z.string(), condition: z.optional(z.string()) }),
  inputs: (seeds) =>
    fc.record({
      path: nearTexts(seeds.map(({ path }) => path)),
      query: nearTexts(
        seeds.map(({ query }) => query),
        ["&q=", "?limit=1", "&limit=", "%C3%A9", "%ff"],
      ),
      condition: fc.option(nearTexts(seeds.map(({ condition }) => condition ?? "")), { nil: undefined }),
    }),
  start: () => {
    const tiers = [cacheableRoute(route, "edge", 5), cacheableRoute(route, "origin", 0)];
    must(cacheableRoute({ ...route, method: "POST" }, "edge", 5) === undefined, "a write is not cached");
    must(isCacheable(route), "the route is cached");
    const constant = tagsFor({
      path: "/v1/products",
      policy: { auth: "public", cache: { tags: ["products"] } },
    });
    const memory = createInvalidations(() => 1_000, 20);
    return {
      run: ({ path, query, condition }) => {
        for (const tier of tiers) {
          const target = { origin: "https://api.example.com", path, query };
          const key = tier?.key(target, (name) => (name === "if-none-match" ? condition : undefined));
          must(key === undefined || key.length <= 2_048, "a long key");
          if (key !== undefined) must(notUtf8Parameters(query).length === 0, "a key of no UTF-8");
          const tags = tier?.tags(path) ?? [];
          must(
            tags.every((tag) => /^[\x21-\x2b\x2d-\x7e]*$/.test(tag)),
            "a tag that fits into no list",
          );
          const sent = tags.filter((tag) => tag !== "");
          mustEqual(readTags(writeTags(sent)), sent, "tags after their field");
          const asOfMs = memory.now();
          memory.invalidate(sent);
          must(sent.length === 0 || memory.isInvalidated(sent, asOfMs), "a write that invalidates nothing");
          memory.maxAgeS(sent);
        }
        constant(path);
        if (path === "") return;
        const written = writtenTag(path);
        mustEqual(writtenTag(written), written, "a tag written twice");
        readTags(query);
        const text = JSON.stringify(JSON.stringify([path, { [query]: path }]));
        notUnicodeAt(text, [path, { [query]: path }, 1]);
        notUnicodeAt("\\ud800", [path, { [query]: path }, 1]);
        must(!/[\p{Cc}\p{Cs}]/u.test(escapeUnprintable(query)), "an unprintable character");
      },
    };
  },
});
