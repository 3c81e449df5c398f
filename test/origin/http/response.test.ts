import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { contract } from "../../../src/contract/contract.ts";
import { securityHeaders } from "../../../src/middleware/problems/index.ts";
import { type Answer, responder } from "../../../src/origin/handler.ts";
import type { OriginEnv } from "../../../src/origin/middleware/context.ts";

const REQUEST_ID = "0190a0b4-1234-4abc-8def-0123456789ab";

const respond = async (answer: Answer): Promise<Response> => {
  const responseTo = responder(contract.listOrders, { defaultFreshS: 300 });
  const app = new Hono<OriginEnv>();
  app.get("/", (c) => {
    c.set("requestId", REQUEST_ID);
    return responseTo(c, answer);
  });
  return await app.request("/");
};

describe("a response", () => {
  test("carries the request's id, the route's cache policy and the security headers", async () => {
    const { headers } = await respond({ status: 200, body: {} });
    expect(Object.fromEntries(headers)).toMatchObject({
      ...securityHeaders,
      "x-request-id": REQUEST_ID,
      "cache-control": "no-store",
    });
  });

  test.each([
    ["a value", { body: { a: 1 } }, "application/json", '{"a":1}'],
    ["a body that is JSON already", { json: '{"a": 1}' }, "application/json", '{"a": 1}'],
    ["text", { text: "a" }, "text/plain; charset=utf-8", "a"],
    ["empty text", { text: "" }, "text/plain; charset=utf-8", ""],
    ["null", { body: null }, "application/json", "null"],
    ["nothing", {}, null, ""],
  ])("has the content type of its body: %s", async (_, content, type, written) => {
    const response = await respond({ status: 200, ...content });
    expect(response.headers.get("content-type")).toBe(type);
    expect(await response.text()).toBe(written);
  });

  test("may override its route's header fields", async () => {
    const headers = { "content-type": "text/html; charset=utf-8", etag: '"1"', "cache-control": "no-cache" };
    const response = await respond({ status: 200, text: "<p>", headers });
    expect(Object.fromEntries(response.headers)).toMatchObject(headers);
  });

  test.each([204, 304])("without content has no body: %d", async (status) => {
    expect((await respond({ status })).body).toBeNull();
  });
});
