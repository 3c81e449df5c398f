import { describe, expect, test } from "vitest";
import type { CacheStatus } from "../../../src/middleware/response-cache/cache-status.ts";
import { CACHE_OUTCOMES, outcomeOf } from "../../../src/middleware/response-cache/outcome.ts";

describe("what a cache says of an answer is, for telemetry,", () => {
  test.each<[string, CacheStatus, string]>([
    ["a hit where it is from the cache", { hit: true, ttlS: 3 }, "hit"],
    [
      "stale where it is renewed meanwhile",
      { hit: true, ttlS: -1, detail: "stale-while-revalidate" },
      "stale",
    ],
    [
      "stale on an error where no newer one was to be had",
      { hit: true, detail: "stale-if-error" },
      "stale_on_error",
    ],
    [
      "stale on an error also where the request had gone on",
      { forward: "stale", forwardStatus: 503, detail: "stale-if-error" },
      "stale_on_error",
    ],
    ["a miss where the request went on", { forward: "miss" }, "miss"],
    ["a miss where what was kept was too old", { forward: "stale" }, "miss"],
    ["a miss where the client wanted none of it", { forward: "request" }, "miss"],
  ])("%s", (_, status, outcome) => {
    expect(outcomeOf(status)).toBe(outcome);
    expect(CACHE_OUTCOMES).toContain(outcome);
  });
});
