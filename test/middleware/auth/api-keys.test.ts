import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toBase64Url } from "../../../src/lib/encoding.ts";
import {
  createKey,
  type KeyRecord,
  type PresentedKey,
  parseKey,
  readKeyRecord,
  VERSION_FIELD,
  verifyKey,
  writeKeyRecord,
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

test("a key is bwk, an id of 72 bits and a secret of 256, with the SHA-256 of the secret's bytes", async () => {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(32).fill(7));
  expect(created).toEqual({
    key: "bwk_BwcHBwcHBwcH_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
    id: "BwcHBwcHBwcH",
    hash: toBase64Url(new Uint8Array(digest)),
  });
});

test("a key has one spelling, although its last character has two bits more than its secret", () => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const others = [...alphabet].map((last) => created.key.slice(0, -1) + last);
  const same = others.filter((key) => {
    const parsed = parseKey(key);
    return parsed !== undefined && typeof verifyKey(parsed, record, NOW_MS) !== "string";
  });
  expect(same).toEqual([created.key]);
});

test("a new key parses to its id and secret, and proves its principal, whatever the random bytes", () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  fc.assert(
    fc.property(bytes(9), bytes(32), (idBytes, secret) => {
      const { key, id, hash } = createKey((empty) => {
        empty.set(empty.length === 9 ? idBytes : secret);
        return empty;
      });
      expect(parseKey(key)).toEqual({ id, secret: Uint8Array.from(secret) });
      const principal = verifyKey(presented(key), { ...record, id, hash }, NOW_MS);
      expect(principal).toEqual({ id: "demo", scopes: ["orders:read"] });
      expect(id.startsWith(VERSION_FIELD.slice(0, 1))).toBe(false);
    }),
  );
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
    ["accepts a key before its expiry", NOW_MS + 1, true],
    ["rejects a key at its expiry", NOW_MS, false],
    ["rejects a key after its expiry", NOW_MS - 1, false],
    ["accepts a key without an expiry", null, true],
  ])("%s", (_, expiresAtMs, isAccepted) => {
    expect(verifyKey(presented(), { ...record, expiresAtMs }, NOW_MS) !== "expired").toBe(isAccepted);
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

describe("a published key record", () => {
  test("round-trips", () => {
    const records = fc.record({
      id: fc.stringMatching(/^[A-Za-z0-9_-]{12}$/),
      hash: fc.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      principal: fc.string({ unit: "binary" }),
      scopes: fc.array(fc.string()),
      expiresAtMs: fc.option(fc.maxSafeNat()),
    });
    fc.assert(
      fc.property(records, (each) => {
        expect(readKeyRecord(each.id, writeKeyRecord(each))).toEqual(each);
      }),
    );
  });

  test("has the id of its field only, whatever it contains", () => {
    expect(JSON.parse(writeKeyRecord(record))).not.toHaveProperty("id");
    expect(readKeyRecord("BBBBBBBBBBBB", JSON.stringify({ ...record, id: "other" }))?.id).toBe(
      "BBBBBBBBBBBB",
    );
  });

  test.each<[string, unknown[]]>([
    ["hash", [undefined, 1]],
    ["principal", [undefined, null]],
    ["scopes", [undefined, "orders:read", ["orders:read", 1]]],
    ["expiresAtMs", [undefined, "2030-01-01T00:00:00Z", false]],
  ])("is invalid with another %s than a valid one, such as %j", (name, values) => {
    for (const value of values)
      expect(readKeyRecord(record.id, JSON.stringify({ ...record, [name]: value }))).toBeUndefined();
  });

  test.each(["", "{", "null", "17", '"key"', "{}", `[${JSON.stringify(record)}]`])("is not %s", (text) => {
    expect(readKeyRecord(record.id, text)).toBeUndefined();
  });

  test("is invalid, and never an error, for any JSON", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(readKeyRecord(record.id, text)).toBeUndefined();
      }),
    );
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
