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
  if (keys === undefined) throw new Error("wrong keys");
  return keys;
};

describe("parseSigningKeys", () => {
  test("reads one key", () => {
    expect(parsed(`k1:${secretOf(1)}`).map(({ id }) => id)).toEqual(["k1"]);
  });

  test("reads two keys with white space around the comma, the signing one first", () => {
    expect(parsed(` new:${secretOf(2)} , old:${secretOf(1)}\n`).map(({ id }) => id)).toEqual(["new", "old"]);
  });

  test("accepts base64 and base64url", () => {
    const secret = new Uint8Array(MIN_KEY_BYTES).fill(0xff);
    const [standard] = parsed(`k1:${toBase64(secret)}`);
    const [url] = parsed(`k1:${toBase64Url(secret)}`);
    expect(url.mac("text")).toEqual(standard.mac("text"));
  });

  test.each([
    ["empty text", ""],
    ["a key without an id", secretOf(1)],
    ["an empty id", `:${secretOf(1)}`],
    ["an id of 33 characters", `${"k".repeat(33)}:${secretOf(1)}`],
    ["an id with a quote", `k"1:${secretOf(1)}`],
    ["a key without a secret", "k1:"],
    ["a secret that is not base64", `k1:${"*".repeat(44)}`],
    ["a secret of an impossible length", `k1:${"A".repeat(45)}`],
    ["a trailing comma", `k1:${secretOf(1)},`],
    ["a secret one byte too short", `k1:${secretOf(1, 31)}`],
    ["the same id twice", `k1:${secretOf(1)},k1:${secretOf(2)}`],
    ["three keys", `a:${secretOf(1)},b:${secretOf(2)},c:${secretOf(3)}`],
  ])("rejects %s", (_, text) => {
    expect(parseSigningKeys(text, nodeHmac)).toBeUndefined();
  });
});

test("WebCrypto and Node make the same MAC", async () => {
  const text = `${"text ".repeat(1000)}\u{1f30a}`;
  const secret = new Uint8Array(MIN_KEY_BYTES).fill(0x0b);
  expect(await webCryptoHmac(secret)(text)).toBe(nodeHmac(secret)(text));
});
