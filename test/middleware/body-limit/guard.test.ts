import { afterEach, describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import { bodyGuard } from "../../../src/middleware/body-limit/index.ts";
import type { GuardedRequest } from "../../../src/middleware/exchange.ts";
import { openExchange } from "../open-exchange.ts";

const note = defineRoute({
  method: "POST",
  path: "/notes",
  summary: "Takes a note",
  tag: "Test",
  request: { body: z.string() },
  responses: { 204: { description: "Done" } },
  policy: { auth: "public", maxBody: 8 },
});
const bare = defineRoute({
  method: "POST",
  path: "/runs",
  summary: "Takes no body",
  tag: "Test",
  responses: { 204: { description: "Done" } },
  policy: { auth: "public" },
});
const routes = edgeRoutes({ note, bare });

const NOW_MS = 1_800_000_000_000;
const encoder = new TextEncoder();
const json = { "content-type": "application/json" };

/** A body that comes chunk by chunk, as it is asked for, and what became of it. */
const bodyOf = (...chunks: readonly (string | "stalls" | "breaks")[]) => {
  const left = [...chunks];
  const fate = { isRead: false, isCancelled: false };
  const { promise: never, resolve: stop } = Promise.withResolvers<{ done: boolean }>();
  const body: GuardedRequest["body"] = {
    getReader: () => {
      fate.isRead = true;
      return {
        read: async () => {
          const chunk = left.shift();
          if (chunk === "stalls") return never;
          if (chunk === "breaks") throw new Error("the connection was reset");
          return chunk === undefined ? { done: true } : { done: false, value: encoder.encode(chunk) };
        },
        cancel: async () => {
          fate.isCancelled = true;
          stop({ done: true });
        },
      };
    },
  };
  return { body, fate };
};

/** Endings that were asked for and not cleared. */
let uncleared = 0;
afterEach(() => {
  expect(uncleared).toBe(0);
});

const taken = (
  name: "note" | "bare",
  body: GuardedRequest["body"],
  headers: Readonly<Record<string, string>> = json,
) => {
  const route = routes[name];
  if (route === undefined) throw new Error("there is no such route");
  const deadline = new AbortController();
  const endings: number[] = [];
  const exchange = Object.assign(openExchange({ method: "POST", headers, body }), {
    entry: { name, route },
    deadlineAtMs: NOW_MS + 1_000,
  });
  const guard = bodyGuard({
    now: () => NOW_MS + 400,
    endingIn: (ms) => {
      endings.push(ms);
      uncleared += 1;
      return {
        signal: deadline.signal,
        clear: () => {
          uncleared -= 1;
        },
      };
    },
  });
  return { exchange, result: guard(exchange), endings, end: () => deadline.abort() };
};

describe("a body that is taken", () => {
  test("is kept whole, as many bytes as the route takes", async () => {
    const { result, exchange } = taken("note", bodyOf('"ab', "cde", 'f"').body);
    expect(await result).toBeUndefined();
    expect(exchange.body).toEqual(encoder.encode('"abcdef"'));
  });

  test("has the time that is left to the route's deadline", async () => {
    const { result, endings } = taken("note", bodyOf('"a"').body);
    await result;
    expect(endings).toEqual([600]);
  });

  test.each([
    ["no body", null],
    ["an empty one", bodyOf().body],
    ["empty chunks alone", bodyOf("", "").body],
  ])("leaves nothing where there is %s", async (_, body) => {
    const { result, exchange } = taken("bare", body, {});
    expect(await result).toBeUndefined();
    expect(exchange).not.toHaveProperty("body");
  });
});

describe("a body that is too large", () => {
  test("is refused by its announced length, and not read", async () => {
    const { body, fate } = bodyOf('"abcdefg"');
    const { result } = taken("note", body, { ...json, "content-length": "9" });
    expect(await result).toEqual({
      code: "content_too_large",
      detail: "The body may hold at most 8 bytes.",
    });
    expect(fate.isRead).toBe(false);
  });

  test.each([
    ["none was announced", {}],
    ["less was announced", { "content-length": "8" }],
    ["what was announced is no number", { "content-length": "many" }],
  ])("is refused by what arrives where %s, and the rest is let go", async (_, announced) => {
    const { body, fate } = bodyOf('"abcd', "efgh", '"');
    const { result, exchange } = taken("note", body, { ...json, ...announced });
    expect(await result).toMatchObject({ code: "content_too_large" });
    expect(fate.isCancelled).toBe(true);
    expect(exchange).not.toHaveProperty("body");
  });

  test("is any where the route takes none", async () => {
    const { result } = taken("bare", bodyOf("a").body);
    expect(await result).toEqual({ code: "content_too_large", detail: "This route takes no body." });
  });
});

describe("a body of another type", () => {
  test.each([
    {},
    { "content-type": "text/plain" },
    { "content-type": "application/json; charset=latin1" },
  ])("is refused unread: %j", async (headers) => {
    const { body, fate } = bodyOf('"a"');
    const { result } = taken("note", body, headers);
    expect(await result).toEqual({
      code: "unsupported_media_type",
      detail: "Send application/json.",
      headers: { accept: "application/json" },
    });
    expect(fate.isRead).toBe(false);
  });
});

describe("a body that does not come whole", () => {
  test("is waited for until the time is over", async () => {
    const { body, fate } = bodyOf('"a', "stalls");
    const { result, exchange, end } = taken("note", body);
    end();
    expect(await result).toEqual({ code: "request_timeout" });
    expect(fate.isCancelled).toBe(true);
    expect(exchange).not.toHaveProperty("body");
  });

  test("is wrong where it breaks off", async () => {
    const { result, exchange } = taken("note", bodyOf('"a', "breaks").body);
    expect(await result).toEqual({
      code: "invalid_request",
      detail: "The body ended before its announced length.",
    });
    expect(exchange).not.toHaveProperty("body");
  });
});
