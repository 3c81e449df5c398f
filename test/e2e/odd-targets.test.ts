import { request } from "node:http";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type System, startSystem } from "../support/system.ts";

let system: System;

beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

/** A request whose target goes out exactly as it is written. */
const raw = (path: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(system.edgeUrl);
    const sent = request({ hostname, port, path, headers }, async (response) => {
      resolve({ status: response.statusCode ?? 0, body: await text(response) });
    });
    sent.on("error", reject).end();
  });

test.each([
  "/v1/products?q=%00",
  "/v1/products?q=%E0%A4%A",
  "/v1/products?q=a|b^c`d{e}[f]",
  "/v1/products?q='\"<>",
  "/v1/products?q=%F0%9F%8C%8A",
  "/v1/products?",
  "/v1/products?&&=",
  "/v1/products/%2e%2e/products",
  "/v1/products/..%2f..%2fetc",
  "/v1/products/%ff",
  "/v1//products",
  "/v1/products/a%2Fb",
  "/v1/products/{x}|y",
  "/v1/./products",
])("%s is served or refused cleanly", async (path) => {
  const { status, body } = await raw(path);
  expect([200, 400, 404]).toContain(status);
  if (status !== 200) expect(JSON.parse(body)).toMatchObject({ status });
});

test("whatever the query holds, the origin takes the edge's signature and nothing fails", async () => {
  const character = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
  const query = fc
    .array(character, { maxLength: 40 })
    .map((characters) => characters.join("").replaceAll("#", ""));
  await fc.assert(
    fc.asyncProperty(query, async (search) => {
      const { status } = await raw(`/v1/products?${search}`);
      expect([200, 400]).toContain(status);
    }),
    { numRuns: 200 },
  );
});

test("a header field that is not ASCII is refused by name", async () => {
  const { status, body } = await raw("/v1/products/01900000-0000-7000-8000-000000000001", {
    "if-none-match": Buffer.from('"ü"', "utf8").toString("latin1"),
  });
  expect(status).toBe(400);
  expect(JSON.parse(body)).toMatchObject({ errors: [{ in: "header", field: "if-none-match" }] });
});
