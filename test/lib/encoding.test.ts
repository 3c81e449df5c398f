import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  equalInConstantTime,
  fromBase64,
  fromBase64Url,
  toBase64,
  toBase64Url,
} from "../../src/lib/encoding.ts";

const encoder = new TextEncoder();

describe("base64", () => {
  // RFC 4648 §10
  test.each([
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foobar", "Zm9vYmFy"],
  ])("encodes %j as %j and decodes it", (text, encoded) => {
    expect(toBase64(encoder.encode(text))).toBe(encoded);
    expect(fromBase64(encoded)).toEqual(encoder.encode(text));
  });

  test("base64url has another alphabet and no padding", () => {
    const bytes = Uint8Array.of(0xfb, 0xef, 0xff, 0xff);
    expect([toBase64(bytes), toBase64Url(bytes)]).toEqual(["++///w==", "--___w"]);
  });

  test("decodes either alphabet, with or without padding", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const standard = toBase64(bytes);
        for (const encoded of [standard, toBase64Url(bytes), standard.replaceAll("=", "")])
          expect(fromBase64(encoded)).toEqual(Uint8Array.from(bytes));
      }),
    );
  });

  test("base64url has one spelling for each value", () => {
    expect(fromBase64Url("--___w")).toEqual(Uint8Array.of(0xfb, 0xef, 0xff, 0xff));
    for (const other of ["--___x", "--___w==", "++///w", "--___w "])
      expect(fromBase64Url(other)).toBeUndefined();
  });

  test.each([
    ["an impossible length", "A"],
    ["too little padding", "Zg="],
    ["padding alone", "="],
    ["padding inside", "Zg==Zg=="],
    ["a character of neither alphabet", "Zm9*"],
    ["a character beyond Latin-1", "Zm9\u{1f600}"],
    ["white space", "Zm 9v"],
    ["a line break at the end", "Zm9v\n"],
  ])("rejects %s", (_, encoded) => {
    expect(fromBase64(encoded)).toBeUndefined();
  });
});

describe("equalInConstantTime", () => {
  test("agrees with ===", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 3 });
    fc.assert(fc.property(text, text, (a, b) => equalInConstantTime(a, b) === (a === b)));
  });

  test("detects a single different bit", () => {
    const change = fc
      .string({ minLength: 1, maxLength: 64 })
      .chain((text) => fc.tuple(fc.constant(text), fc.nat(text.length - 1), fc.nat(15)));
    fc.assert(
      fc.property(change, ([text, at, bit]) => {
        const other = String.fromCharCode(text.charCodeAt(at) ^ (1 << bit));
        return !equalInConstantTime(text, text.slice(0, at) + other + text.slice(at + 1));
      }),
    );
  });
});
