import { describe, expect, test } from "vitest";
import { contract } from "../../src/contract/contract.ts";
import { securityHeaders } from "../../src/middleware/problems/security-headers.ts";
import { responder } from "../../src/origin/answer.ts";

const respond = responder(contract.listOrders, 300);

describe("an answer", () => {
  test("carries the request's id, the route's cache policy and the security headers", () => {
    const { headers } = respond({ status: 200, body: {} }, "id-1");
    expect(Object.fromEntries(headers)).toMatchObject({
      ...securityHeaders,
      "x-request-id": "id-1",
      "cache-control": "no-store",
    });
  });

  test.each([
    ["a value", { body: { a: 1 } }, "application/json", '{"a":1}'],
    ["JSON that is written already", { json: '{"a": 1}' }, "application/json", '{"a": 1}'],
    ["text", { text: "a" }, "text/plain; charset=utf-8", "a"],
    ["text that is empty", { text: "" }, "text/plain; charset=utf-8", ""],
    ["null", { body: null }, "application/json", "null"],
    ["nothing", {}, null, ""],
  ])("says of what type it is: %s", async (_, content, type, written) => {
    const response = respond({ status: 200, ...content }, "id");
    expect(response.headers.get("content-type")).toBe(type);
    expect(await response.text()).toBe(written);
  });

  test("may name its own headers, in the place of those of its route", () => {
    const headers = { "content-type": "text/html; charset=utf-8", etag: '"1"', "cache-control": "no-cache" };
    const response = respond({ status: 200, text: "<p>", headers }, "id");
    expect(Object.fromEntries(response.headers)).toMatchObject(headers);
  });

  test.each([204, 304])("without content has no body: %d", (status) => {
    expect(respond({ status }, "id").body).toBeNull();
  });
});
