import { describe, expect, test } from "vitest";
import { problem } from "../../../src/contract/problem.ts";
import { entryOf, type FillResult } from "../../../src/middleware/response-cache/entry.ts";

const PUBLIC = "public, max-age=5, stale-while-revalidate=30, stale-if-error=600";
const text = (headers: Record<string, string> = {}, status = 200) => ({
  status,
  headers: { "cache-control": PUBLIC, ...headers },
  body: "{}",
});
const options = { atMs: 100_000, asOfMs: 100_000.5, tags: ["things"], negativeMs: 5_000, random: 0 };
const entry = (result: FillResult, maxAgeS?: number) => entryOf(result, { ...options, maxAgeS });

describe("an entry", () => {
  test("has the fields of the response, except those of one client or another cache", () => {
    const { response } = entry(text({ "x-request-id": "1", age: "1", etag: '"1"' })) ?? {};
    expect(response).toEqual({ status: 200, headers: { "cache-control": PUBLIC, etag: '"1"' }, body: "{}" });
  });

  test("reflects all writes until its fill began, less its age", () => {
    expect(entry(text())).toMatchObject({ generatedAtMs: 100_000, asOfMs: 100_000.5 });
    const aged = text({ age: "3" });
    expect(entry(aged)).toMatchObject({ generatedAtMs: 97_000, asOfMs: 97_000.5 });
    // The request to the other cache allowed less than two seconds, and that cache rounds up.
    expect(entry(aged, 2)).toMatchObject({ generatedAtMs: 97_000, asOfMs: 98_001.5 });
    expect(entry(text({ age: "1" }), 0)).toMatchObject({ asOfMs: 100_000.5 });
  });

  test("is fresh for up to a tenth less by chance", () => {
    expect(entry(text())?.windows.freshMs).toBe(5_000);
    expect(entryOf(text(), { ...options, random: 0.5 })?.windows.freshMs).toBe(4_750);
  });

  test("is negative for a 404 problem", () => {
    expect(entry(problem("not_found"))).toMatchObject({
      response: { code: "not_found" },
      windows: { freshMs: 5_000, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 },
    });
  });

  test("has the unread stream of a Response", () => {
    const response = new Response("{}", { headers: { "cache-control": PUBLIC } });
    expect(entry(response)).toMatchObject({ response: { status: 200, body: response.body } });
    expect(response.bodyUsed).toBe(false);
  });

  test.each([
    ["another problem", problem("unavailable")],
    ["another status", text({}, 201)],
    ["a cookie", text({ "set-cookie": "a=b" })],
    ["Vary", text({ vary: "accept" })],
    ["another cache's last resort", text({ "cache-status": "x; detail=stale-if-error" })],
    ["an age past its lifetime", text({ age: "605" })],
    ["an age that is not a number", text({ age: "soon" })],
    ["a negative age", text({ age: "-1" })],
    ["an age without bounds", text({ age: "-Infinity" })],
    ["an age beyond what numbers can hold", text({ age: "-1e999" })],
    ["an age that is no whole number of seconds", text({ age: "0.5" })],
    ["an empty age", text({ age: "" })],
    ["a body that is too long", { ...text({}), body: "x".repeat(600_000) }],
  ] as const)("is not made of a response with %s", (_, result) => {
    expect(entry(result)).toBeUndefined();
  });
});
