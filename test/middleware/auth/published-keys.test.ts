import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createKey,
  type KeyRecord,
  readKeyRecord,
  VERSION_FIELD,
  writeKeyRecord,
} from "../../../src/middleware/auth/api-keys.ts";

const record: KeyRecord = {
  id: "AAAAAAAAAAAA",
  hash: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
  principal: "demo",
  scopes: ["orders:read"],
  expiresAtMs: null,
};

const garbled = (change: object): string => JSON.stringify({ ...record, ...change });

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

  test("does not repeat the id of its field", () => {
    expect(JSON.parse(writeKeyRecord(record))).not.toHaveProperty("id");
  });

  test("has the id of its field, whatever it contains", () => {
    expect(readKeyRecord("BBBBBBBBBBBB", garbled({ id: "other" }))?.id).toBe("BBBBBBBBBBBB");
  });

  test.each([
    ["empty", ""],
    ["not JSON", "{"],
    ["null", "null"],
    ["a number, such as the version", "17"],
    ["a string", '"key"'],
    ["a list", `[${JSON.stringify(record)}]`],
    ["an empty object", "{}"],
    ["no hash", garbled({ hash: undefined })],
    ["a hash that is not a string", garbled({ hash: 1 })],
    ["no principal", garbled({ principal: undefined })],
    ["a principal that is null", garbled({ principal: null })],
    ["no scopes", garbled({ scopes: undefined })],
    ["scopes in one string", garbled({ scopes: "orders:read" })],
    ["a scope that is not a string", garbled({ scopes: ["orders:read", 1] })],
    ["no expiry", garbled({ expiresAtMs: undefined })],
    ["an expiry as a string", garbled({ expiresAtMs: "2030-01-01T00:00:00Z" })],
    ["an expiry that is false", garbled({ expiresAtMs: false })],
  ])("is invalid if the text is %s", (_, text) => {
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

test("the id of a key is never the version's field", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (random) => {
      const { id } = createKey((bytes) => {
        bytes.set(random.slice(0, bytes.length));
        return bytes;
      });
      expect(id.startsWith(VERSION_FIELD.slice(0, 1))).toBe(false);
    }),
  );
});
