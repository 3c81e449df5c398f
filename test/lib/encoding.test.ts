import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equalInConstantTime, fromBase64, toBase64, toBase64Url } from "../../src/lib/encoding.ts";

const encoder = new TextEncoder();
const bytes = fc.uint8Array({ maxLength: 200 });

describe("base64", () => {
  // RFC 4648 §10
  test.each([
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foob", "Zm9vYg=="],
    ["fooba", "Zm9vYmE="],
    ["foobar", "Zm9vYmFy"],
  ])("writes %j as %j and reads it back", (text, encoded) => {
    expect(toBase64(encoder.encode(text))).toBe(encoded);
    expect(fromBase64(encoded)).toEqual(encoder.encode(text));
  });

  test("uses + and / in the standard alphabet, - and _ in the other, which has no padding", () => {
    const awkward = Uint8Array.of(0xfb, 0xef, 0xff, 0xff);
    expect(toBase64(awkward)).toBe("++///w==");
    expect(toBase64Url(awkward)).toBe("--___w");
  });

  test("is read back whichever way it was written", () => {
    fc.assert(
      fc.property(bytes, (some) => {
        expect(fromBase64(toBase64(some))).toEqual(Uint8Array.from(some));
        expect(fromBase64(toBase64Url(some))).toEqual(Uint8Array.from(some));
        expect(fromBase64(toBase64(some).replaceAll("=", ""))).toEqual(Uint8Array.from(some));
      }),
    );
  });

  test.each([
    ["a length that no bytes have", "A"],
    ["padding that is too short", "Zg="],
    ["padding alone", "="],
    ["padding inside", "Zg==Zg=="],
    ["a character of neither alphabet", "Zm9*"],
    ["a character beyond Latin-1", "Zm9\u{1f600}"],
    ["white space", "Zm 9v"],
    ["a line break at its end", "Zm9v\n"],
  ])("is not read where it has %s", (_, encoded) => {
    expect(fromBase64(encoded)).toBeUndefined();
  });
});

describe("equalInConstantTime", () => {
  const anyText = fc.string({ unit: "binary", maxLength: 64 });

  test("agrees with ===", () => {
    const few = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 3 });
    fc.assert(fc.property(few, few, (a, b) => equalInConstantTime(a, b) === (a === b)));
  });

  test("holds for a copy", () => {
    fc.assert(fc.property(anyText, (text) => equalInConstantTime(text, [...text].join(""))));
  });

  test("sees a single bit anywhere", () => {
    const flipped = fc
      .string({ minLength: 1, maxLength: 64 })
      .chain((text) => fc.tuple(fc.constant(text), fc.nat(text.length - 1), fc.nat(15)));
    fc.assert(
      fc.property(flipped, ([text, at, bit]) => {
        const other = String.fromCharCode(text.charCodeAt(at) ^ (1 << bit));
        return !equalInConstantTime(text, text.slice(0, at) + other + text.slice(at + 1));
      }),
    );
  });
});
