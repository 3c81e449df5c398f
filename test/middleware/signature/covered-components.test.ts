import { describe, expect, test } from "vitest";
import {
  COVERED_FIELDS,
  innerList,
  REQUIRED_FIELDS,
  signatureBase,
} from "../../../src/middleware/signature/sign.ts";
import { nodeHmac } from "../../../src/origin/config/hmac.ts";

const target = { method: "GET", authority: "origin.test:8080", path: "/v1/orders", query: "?limit=2" };
const headers: Readonly<Record<string, string>> = { "if-match": ' "1"\t', "if-none-match": "" };
const base = (names: readonly string[], of = target) =>
  signatureBase(of, names, (name) => headers[name], "();created=1");

describe("the signature base", () => {
  test("begins with what the request is for and ends with the parameters, without a line break", () => {
    expect(base([])).toBe(
      [
        '"@method": GET',
        '"@authority": origin.test:8080',
        '"@path": /v1/orders',
        '"@query": ?limit=2',
        '"@signature-params": ();created=1',
      ].join("\n"),
    );
  });

  test("counts an absent query as an empty one", () => {
    expect(base([], { ...target, query: "" })).toContain('"@query": ?\n');
  });

  test("has a field's value without the white space around it", () => {
    expect(base(["if-match"])).toContain('\n"if-match": "1"\n');
  });

  test("has an empty field", () => {
    expect(base(["if-none-match"])).toContain('\n"if-none-match": \n');
  });

  test("does not exist for a field that the request does not have", () => {
    expect(base(["if-match", "x-absent"])).toBeUndefined();
  });
});

test("the inner list quotes its names, with one space between them", () => {
  expect(innerList(["date", "@authority", "content-type"])).toBe('("date" "@authority" "content-type")');
  expect(innerList([])).toBe("()");
});

test("every required field is one that is covered", () => {
  expect(COVERED_FIELDS).toEqual(expect.arrayContaining([...REQUIRED_FIELDS]));
});

test("a key's MAC of a base is the signature in RFC 9421 Appendix B.2.5", () => {
  const secret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
  const mac = nodeHmac(new Uint8Array(Buffer.from(secret, "base64")))(
    [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@authority": example.com',
      '"content-type": application/json',
      '"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    ].join("\n"),
  );
  expect(mac).toBe("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
});
