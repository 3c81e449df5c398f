import { expect, test } from "vitest";
import { toBase64 } from "../../../src/lib/encoding.ts";
import {
  type Component,
  innerList,
  signatureBase,
} from "../../../src/middleware/signature/signature-base.ts";
import { parseSigningKeys } from "../../../src/middleware/signature/signing-keys.ts";

/** RFC 9421 Appendix B.2.5, "Signing a Request Using hmac-sha256". */
const vector = {
  components: [
    ["date", "Tue, 20 Apr 2021 02:07:55 GMT"],
    ["@authority", "example.com"],
    ["content-type", "application/json"],
  ] satisfies Component[],
  parameters: '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
  secret: "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
  signature: "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
};

test("the inner list quotes its names, with one space between them", () => {
  expect(innerList(vector.components.map(([name]) => name))).toBe('("date" "@authority" "content-type")');
});

test("the inner list of nothing is empty", () => {
  expect(innerList([])).toBe("()");
});

test("the base has a line a component and ends with the parameters, without a line break", () => {
  expect(signatureBase(vector.components, vector.parameters)).toBe(
    [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@authority": example.com',
      '"content-type": application/json',
      `"@signature-params": ${vector.parameters}`,
    ].join("\n"),
  );
});

test("the base of no components is the parameters alone", () => {
  expect(signatureBase([], "();created=1")).toBe('"@signature-params": ();created=1');
});

test("a key's MAC of the base is the signature in RFC 9421 Appendix B.2.5", () => {
  const keys = parseSigningKeys(`test-shared-secret:${vector.secret}`);
  if (typeof keys === "string") throw new Error(keys);
  const mac = keys[0].mac(signatureBase(vector.components, vector.parameters));
  expect(toBase64(mac)).toBe(vector.signature);
});
