import { describe, expect, test } from "vitest";
import type { Cors } from "../../../src/contract/policy.ts";
import { corsHeaders, preflightHeaders } from "../../../src/middleware/route-policy/index.ts";

const SHOP = "https://shop.example";
const listed: Cors = { origins: [SHOP, "http://localhost:5173"] };
const any: Cors = { origins: "*" };
const asked = { origin: SHOP, method: "PATCH", headers: ["if-match", "authorization"] };

const foreign = [
  ["another site", "https://other.example"],
  ["another scheme", "http://shop.example"],
  ["another port", "https://shop.example:8443"],
  ["a subdomain", "https://a.shop.example"],
  ["a name that begins alike", "https://shop.example.evil.test"],
  ["another case", "https://SHOP.example"],
  ["an opaque origin", "null"],
  ["a star", "*"],
  ["nothing", ""],
] as const;

describe("corsHeaders", () => {
  test("lets a listed site read the answer, and says that answers differ by site", () => {
    expect(corsHeaders(listed, SHOP)).toMatchObject({ "access-control-allow-origin": SHOP, vary: "Origin" });
  });

  test("lets every site read the answer in the same words", () => {
    const headers = corsHeaders(any, SHOP);
    expect(headers).toEqual(corsHeaders(any, "https://other.example"));
    expect(headers).toMatchObject({ "access-control-allow-origin": "*" });
    expect(headers).not.toHaveProperty("vary");
  });

  test("shows pages the fields that a client of the API needs", () => {
    const exposed = corsHeaders(any, SHOP)?.["access-control-expose-headers"]?.split(", ");
    expect(exposed).toEqual(expect.arrayContaining(["etag", "location", "retry-after", "x-request-id"]));
  });

  test.each(foreign)("has no more than Vary for %s", (_, origin) => {
    expect(corsHeaders(listed, origin)).toEqual({ vary: "Origin" });
  });

  test("tells caches of a listed site's answer even where no page asks", () => {
    expect(corsHeaders(listed, null)).toEqual({ vary: "Origin" });
    expect(corsHeaders(any, null)).toBeUndefined();
  });

  test("has nothing where the policy names no site", () => {
    expect(corsHeaders(undefined, SHOP)).toBeUndefined();
  });
});

describe("preflightHeaders", () => {
  test("allows a listed site the method and the fields, for ten minutes", () => {
    expect(preflightHeaders(listed, asked)).toEqual({
      "access-control-allow-origin": SHOP,
      "access-control-allow-methods": "PATCH",
      "access-control-allow-headers": "if-match, authorization",
      "access-control-max-age": "600",
      vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    });
  });

  test("names no fields where there are none", () => {
    expect(preflightHeaders(listed, { ...asked, headers: [] })).not.toHaveProperty(
      "access-control-allow-headers",
    );
  });

  test("allows every site where the policy does", () => {
    expect(preflightHeaders(any, asked)).toMatchObject({ "access-control-allow-origin": "*" });
  });

  test.each(foreign)("has nothing for %s", (_, origin) => {
    expect(preflightHeaders(listed, { ...asked, origin })).toBeUndefined();
  });

  test("has nothing where the policy names no site", () => {
    expect(preflightHeaders(undefined, asked)).toBeUndefined();
  });
});

test.each([any, listed])("credentials of a browser are never asked for", (cors) => {
  const fields = Object.keys({ ...corsHeaders(cors, SHOP), ...preflightHeaders(cors, asked) });
  expect(fields).not.toContain("access-control-allow-credentials");
});
