import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toBase64, toBase64Url } from "../../../src/lib/encoding.ts";
import {
  MIN_KEY_BYTES,
  parseSigningKeys,
  webCryptoHmac,
} from "../../../src/middleware/signature/signing-keys.ts";
import { nodeHmac } from "../../../src/origin/config/hmac.ts";

const secretOf = (byte: number, length = MIN_KEY_BYTES): string =>
  toBase64(new Uint8Array(length).fill(byte));

const parsed = (text: string) => {
  const keys = parseSigningKeys(text, nodeHmac);
  if (typeof keys === "string") throw new Error(keys);
  return keys;
};

describe("parseSigningKeys", () => {
  test("reads one key", () => {
    expect(parsed(`k1:${secretOf(1)}`).map(({ id }) => id)).toEqual(["k1"]);
  });

  test("reads two keys while rotating, the signing one first, with white space around the comma", () => {
    expect(parsed(` new:${secretOf(2)} , old:${secretOf(1)}\n`).map(({ id }) => id)).toEqual(["new", "old"]);
  });

  test("takes base64 and base64url as the same secret", () => {
    const secret = new Uint8Array(MIN_KEY_BYTES).fill(0xff);
    const [standard] = parsed(`k1:${toBase64(secret)}`);
    const [url] = parsed(`k1:${toBase64Url(secret)}`);
    expect(url.mac("text")).toEqual(standard.mac("text"));
  });

  const form = "must be id:base64, or two of them with a comma";
  test.each([
    ["nothing", "", form],
    ["a key without an id", secretOf(1), form],
    ["an empty id", `:${secretOf(1)}`, form],
    ["an id of 33 characters", `${"k".repeat(33)}:${secretOf(1)}`, form],
    ["an id that a header field cannot quote", `k"1:${secretOf(1)}`, form],
    ["a key without a secret", "k1:", form],
    ["a secret that is not base64", `k1:${"*".repeat(44)}`, form],
    ["a secret of a length that no bytes have", `k1:${"A".repeat(45)}`, form],
    ["a comma too many", `k1:${secretOf(1)},`, form],
    ["a secret one byte too short", `k1:${secretOf(1, 31)}`, "must be keys of at least 32 bytes"],
    ["the same id twice", `k1:${secretOf(1)},k1:${secretOf(2)}`, "must be keys with different ids"],
    ["three keys", `a:${secretOf(1)},b:${secretOf(2)},c:${secretOf(3)}`, "must hold one or 2 keys"],
  ])("refuses %s, and says why", (_, text, why) => {
    expect(parseSigningKeys(text, nodeHmac)).toBe(why);
  });

  test("never repeats a secret in what it says", () => {
    const secret = fc.uint8Array({ minLength: 10, maxLength: 40 }).map(toBase64);
    const writing = fc.constantFrom(
      (each: string) => each,
      (each: string) => `k1:${each}`,
      (each: string) => `k1:${each}*`,
      (each: string) => `k1:${each},k1:${each}`,
      (each: string) => `a:${each},b:${each},c:${each}`,
    );
    fc.assert(
      fc.property(secret, writing, (each, write) => {
        const keys = parseSigningKeys(write(each), nodeHmac);
        if (typeof keys === "string") expect(keys).not.toContain(each);
      }),
    );
  });
});

test("WebCrypto and Node make the same MAC", async () => {
  const text = `${"text ".repeat(1000)}\u{1f30a}`;
  const secret = new Uint8Array(MIN_KEY_BYTES).fill(0x0b);
  expect(await webCryptoHmac(secret)(text)).toBe(nodeHmac(secret)(text));
});
