import { describe, expect, test } from "vitest";
import {
  CACHE_OUTCOMES,
  type CacheStatus,
  outcomeOf,
} from "../../../src/middleware/response-cache/respond.ts";

describe("the outcome", () => {
  test.each<[string, CacheStatus, string]>([
    ["is a hit if the response is from the cache", { hit: true, ttlS: 3 }, "hit"],
    [
      "is stale if it is revalidated in the background",
      { hit: true, ttlS: -1, detail: "stale-while-revalidate" },
      "stale",
    ],
    [
      "is stale on error if no newer response came",
      { hit: true, detail: "stale-if-error" },
      "stale_on_error",
    ],
    [
      "is stale on error if the fill failed",
      { forward: "stale", forwardStatus: 503, detail: "stale-if-error" },
      "stale_on_error",
    ],
    ["is a miss if the request was forwarded", { forward: "miss" }, "miss"],
    ["is a miss if the entry was too old", { forward: "stale" }, "miss"],
    ["is a miss if the request excluded the entry", { forward: "request" }, "miss"],
  ])("%s", (_, status, outcome) => {
    expect(outcomeOf(status)).toBe(outcome);
    expect(CACHE_OUTCOMES).toContain(outcome);
  });
});
