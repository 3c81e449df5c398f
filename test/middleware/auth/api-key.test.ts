import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createKey,
  type KeyRecord,
  type PresentedKey,
  parseKey,
  verifyKey,
} from "../../../src/middleware/auth/api-keys.ts";
import { bearerToken } from "../../../src/middleware/auth/index.ts";

const NOW_MS = 1_800_000_000_000;

const created = createKey((bytes) => bytes.fill(7));
const record: KeyRecord = {
  id: created.id,
  hash: created.hash,
  principal: "demo",
  scopes: ["orders:read"],
  expiresAtMs: null,
};

const presented = (key = created.key): PresentedKey => {
  const parsed = parseKey(key);
  if (parsed === undefined) throw new Error("not a key");
  return parsed;
};

describe("createKey", () => {
  test("returns bwk, an id of 72 bits and a secret of 256, both in base64url", () => {
    expect(created.key).toBe("bwk_BwcHBwcHBwcH_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
    expect(created.id).toBe("BwcHBwcHBwcH");
  });

  test("returns the SHA-256 of the secret's bytes", async () => {
    const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(32).fill(7));
    expect(created.hash).toBe(
      btoa(String.fromCharCode(...new Uint8Array(digest)))
        .replace(/\+/g, "-")
        .replace(/\//g, "_")
        .replace("=", ""),
    );
  });
});

describe("a new key", () => {
  const keys = fc
    .tuple(fc.uint8Array({ minLength: 9, maxLength: 9 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
    .map(([id, secret]) => ({
      secret,
      ...createKey((bytes) => {
        bytes.set(bytes.length === 9 ? id : secret);
        return bytes;
      }),
    }));

  test("parses to its id and secret, whatever the random bytes", () => {
    fc.assert(
      fc.property(keys, ({ key, id, secret }) => {
        expect(parseKey(key)).toEqual({ id, secret: Uint8Array.from(secret) });
      }),
    );
  });

  test("proves the principal of its record", () => {
    fc.assert(
      fc.property(keys, ({ key, id, hash }) => {
        const principal = verifyKey(presented(key), { ...record, id, hash }, NOW_MS);
        expect(principal).toEqual({ id: "demo", scopes: ["orders:read"] });
      }),
    );
  });
});

describe("parseKey", () => {
  const id = "A".repeat(12);
  const secret = "A".repeat(43);
  test.each([
    ["no text", ""],
    ["another prefix", `bwx_${id}_${secret}`],
    ["another case", `BWK_${id}_${secret}`],
    ["an id too short", `bwk_${id.slice(1)}_${secret}`],
    ["an id too long", `bwk_${id}A_${secret}`],
    ["a secret too short", `bwk_${id}_${secret.slice(1)}`],
    ["a secret too long", `bwk_${id}_${secret}A`],
    ["no second separator", `bwk_${id}A${secret}`],
    ["the standard alphabet", `bwk_${id}_${secret.slice(1)}+`],
    ["padding", `bwk_${id}_${secret}=`],
    ["white space before it", ` bwk_${id}_${secret}`],
    ["a line break after it", `bwk_${id}_${secret}\n`],
    ["a letter beyond ASCII", `bwk_${id}_${secret.slice(1)}\u00e4`],
  ])("rejects a key with %s", (_, text) => {
    expect(parseKey(text)).toBeUndefined();
  });
});

describe("verifyKey", () => {
  test.each([
    ["before its expiry", NOW_MS + 1, true],
    ["no longer at its expiry", NOW_MS, false],
    ["no longer after its expiry", NOW_MS - 1, false],
    ["forever without one", null, true],
  ])("accepts a key %s", (_, expiresAtMs, taken) => {
    expect(verifyKey(presented(), { ...record, expiresAtMs }, NOW_MS) !== "expired").toBe(taken);
  });

  test.each([
    ["not base64", "****"],
    ["empty", ""],
    ["cut short", record.hash.slice(0, 40)],
    ["the secret itself", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"],
  ])("rejects every key if the hash is %s", (_, hash) => {
    expect(verifyKey(presented(), { ...record, hash }, NOW_MS)).toBe("wrong_secret");
  });
});

test.each([
  ["Bearer abc", "abc"],
  ["bearer abc", "abc"],
  ["BEARER   abc", "abc"],
  [null, undefined],
  ["Bearer", undefined],
  ["Bearer ", undefined],
  ["Bearerabc", undefined],
  ["Basic abc", undefined],
  ["Bearer a b", undefined],
])("the bearer token of %j is %j", (field, token) => {
  expect(bearerToken(field)).toBe(token);
});
