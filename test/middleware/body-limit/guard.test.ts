import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import { bodyLimit } from "../../../src/middleware/body-limit/index.ts";
import { appOf, type RequestOptions, routed } from "../support/app.ts";

const note = defineRoute({
  method: "POST",
  path: "/notes",
  summary: "Creates a note",
  tag: "Test",
  request: { body: z.string() },
  responses: { 204: { description: "Done" } },
  policy: { auth: "public", maxBody: 8, timeout: "1s" },
});
const bare = defineRoute({
  method: "POST",
  path: "/runs",
  summary: "Has no body",
  tag: "Test",
  responses: { 204: { description: "Done" } },
  policy: { auth: "public", maxBody: 0 },
});
const NOTE = "/notes";
const BARE = "/runs";

const START_MS = 1_800_000_000_000;
/** Duration of the earlier guards. */
const SPENT_MS = 400;
const encoder = new TextEncoder();
const json = { "content-type": "application/json" };

beforeEach(() => {
  vi.useFakeTimers({ now: START_MS, toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  // An open timer keeps a Worker's request alive.
  const timers = vi.getTimerCount();
  vi.useRealTimers();
  expect(timers).toBe(0);
});

/** A body that delivers each chunk when it is read, and its state. */
const bodyOf = (...chunks: readonly (string | "stalls" | "breaks")[]) => {
  const left = [...chunks];
  const fate = { isRead: false, isCancelled: false };
  const never = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        fate.isRead = true;
        const chunk = left.shift();
        if (chunk === "stalls") return never.promise;
        if (chunk === "breaks") throw new Error("the connection was reset");
        if (chunk === undefined) controller.close();
        else controller.enqueue(encoder.encode(chunk));
        return undefined;
      },
      cancel: () => {
        fate.isCancelled = true;
        never.resolve();
      },
    },
    { highWaterMark: 0 },
  );
  return { body, fate };
};

const send = (
  target: string,
  body: RequestOptions["body"],
  headers: Readonly<Record<string, string>> = json,
) => {
  const middleware = routed(edgeRoutes({ note, bare }), () => START_MS).use(
    bodyLimit({ now: () => START_MS + SPENT_MS }),
  );
  return appOf(middleware.handlers)({ method: "POST", target, headers, body });
};

describe("an accepted body", () => {
  test("is read completely, up to the route's maximum", async () => {
    const { passed, variables } = await send(NOTE, bodyOf('"ab', "cde", 'f"').body);
    expect(passed).toBe(true);
    expect(variables.body).toEqual(encoder.encode('"abcdef"'));
  });

  test.each([
    ["no body", undefined],
    ["an empty body", bodyOf().body],
    ["only empty chunks", bodyOf("", "").body],
  ])("is undefined for a request with %s", async (_, body) => {
    const { passed, variables } = await send(BARE, body, {});
    expect(passed).toBe(true);
    expect(variables).not.toHaveProperty("body");
  });
});

describe("a body that is too large", () => {
  test("is rejected by its announced length, without being read", async () => {
    const { body, fate } = bodyOf('"abcdefg"');
    const { response, problem, variables } = await send(NOTE, body, { ...json, "content-length": "9" });
    expect(response.status).toBe(413);
    expect(problem).toEqual({
      code: "content_too_large",
      detail: "The body may have at most 8 bytes.",
    });
    expect(variables.rejectedBy).toBe("body");
    expect(fate.isRead).toBe(false);
  });

  test.each([
    ["without an announced length", {}],
    ["with a smaller announced length", { "content-length": "8" }],
    ["with an announced length that is not a number", { "content-length": "many" }],
  ])("%s is rejected while it arrives, and canceled", async (_, announced) => {
    const { body, fate } = bodyOf('"abcd', "efgh", '"');
    const { passed, problem, variables } = await send(NOTE, body, { ...json, ...announced });
    expect(passed).toBe(false);
    expect(problem).toMatchObject({ code: "content_too_large" });
    expect(fate.isCancelled).toBe(true);
    expect(variables).not.toHaveProperty("body");
  });

  test("is any body on a route without one", async () => {
    const { problem } = await send(BARE, bodyOf("a").body);
    expect(problem).toEqual({ code: "content_too_large", detail: "This route accepts no body." });
  });
});

describe("a body of another type", () => {
  test.each([
    {},
    { "content-type": "text/plain" },
    { "content-type": "application/json; charset=latin1" },
  ])("is rejected without being read: %j", async (headers) => {
    const { body, fate } = bodyOf('"a"');
    const { response, problem } = await send(NOTE, body, headers);
    expect(response.status).toBe(415);
    expect(response.headers.get("accept")).toBe("application/json");
    expect(problem).toEqual({ code: "unsupported_media_type", detail: "Send application/json." });
    expect(fate.isRead).toBe(false);
  });
});

describe("an encoded body", () => {
  test.each(["gzip", "br, gzip", "x-unknown"])("is rejected without being read: %s", async (encoding) => {
    const { body, fate } = bodyOf('"a"');
    const { response, problem } = await send(NOTE, body, { ...json, "content-encoding": encoding });
    expect(response.status).toBe(415);
    expect(response.headers.get("accept-encoding")).toBe("identity");
    expect(problem).toEqual({ code: "unsupported_media_type", detail: "Send the body without an encoding." });
    expect(fate.isRead).toBe(false);
  });

  test("is accepted if the encoding is none", async () => {
    const headers = { ...json, "content-encoding": "Identity" };
    expect((await send(NOTE, bodyOf('"a"').body, headers)).passed).toBe(true);
  });
});

describe("a body that does not arrive completely", () => {
  test("is canceled at the route's deadline", async () => {
    const { body, fate } = bodyOf('"a', "stalls");
    const sending = send(NOTE, body);
    await vi.advanceTimersByTimeAsync(1_000 - SPENT_MS - 1);
    expect(fate).toEqual({ isRead: true, isCancelled: false });
    await vi.advanceTimersByTimeAsync(1);
    const { response, problem, variables } = await sending;
    expect(response.status).toBe(408);
    expect(problem).toEqual({ code: "request_timeout" });
    expect(fate.isCancelled).toBe(true);
    expect(variables).not.toHaveProperty("body");
  });

  test("is an invalid request if the connection breaks", async () => {
    const { response, problem, variables } = await send(NOTE, bodyOf('"a', "breaks").body);
    expect(response.status).toBe(400);
    expect(problem).toEqual({
      code: "invalid_request",
      detail: "The body ended before its announced length.",
    });
    expect(variables).not.toHaveProperty("body");
  });
});
