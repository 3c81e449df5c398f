import { describe, expect, test } from "vitest";
import { problem } from "../../../src/contract/problem.ts";
import { entryOf, type FillResult } from "../../../src/middleware/response-cache/entry.ts";

const PUBLIC = "public, max-age=5, stale-while-revalidate=30, stale-if-error=600";
const text = (headers: Record<string, string>, status = 200) => ({ status, headers, body: "{}" });
const options = { atMs: 100_000, asOfMs: 100_000.5, tags: ["things"], negativeMs: 5_000, random: 0 };
const entry = (result: FillResult, maxAgeS?: number) => entryOf(result, { ...options, maxAgeS });

describe("an entry", () => {
  test("has the fields of the response, except those of one client or another cache", () => {
    const { response } =
      entry(text({ "cache-control": PUBLIC, "x-request-id": "1", age: "1", etag: '"1"' })) ?? {};
    expect(response).toEqual({ status: 200, headers: { "cache-control": PUBLIC, etag: '"1"' }, body: "{}" });
  });

  test("reflects all writes until its fill began, less its age", () => {
    expect(entry(text({ "cache-control": PUBLIC }))).toMatchObject({
      generatedAtMs: 100_000,
      asOfMs: 100_000.5,
    });
    const aged = text({ "cache-control": PUBLIC, age: "3" });
    expect(entry(aged)).toMatchObject({ generatedAtMs: 97_000, asOfMs: 97_000.5 });
    // The other cache was asked for less than two seconds, and rounds up.
    expect(entry(aged, 2)).toMatchObject({ generatedAtMs: 97_000, asOfMs: 98_001.5 });
    expect(entry(text({ "cache-control": PUBLIC, age: "1" }), 0)).toMatchObject({ asOfMs: 100_000.5 });
  });

  test("is negative for a 404 problem", () => {
    expect(entry(problem("not_found"))).toMatchObject({
      response: { code: "not_found" },
      windows: { freshMs: 5_000, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 },
    });
  });

  test("takes the stream of a Response as it is", () => {
    const response = new Response("{}", { headers: { "cache-control": PUBLIC } });
    expect(entry(response)).toMatchObject({ response: { status: 200, body: response.body } });
    expect(response.bodyUsed).toBe(false);
  });

  test.each([
    { why: "another problem", result: problem("unavailable") },
    { why: "another status", result: text({ "cache-control": PUBLIC }, 201) },
    { why: "a cookie", result: text({ "cache-control": PUBLIC, "set-cookie": "a=b" }) },
    { why: "Vary", result: text({ "cache-control": PUBLIC, vary: "accept" }) },
    {
      why: "a makeshift",
      result: text({ "cache-control": PUBLIC, "cache-status": "x; detail=stale-if-error" }),
    },
    { why: "an age past its lifetime", result: text({ "cache-control": PUBLIC, age: "605" }) },
    { why: "an age that is no number", result: text({ "cache-control": PUBLIC, age: "soon" }) },
    {
      why: "a body that is too long",
      result: { ...text({ "cache-control": PUBLIC }), body: "x".repeat(600_000) },
    },
  ])("is not made of $why", ({ result }) => {
    expect(entry(result)).toBeUndefined();
  });
});
