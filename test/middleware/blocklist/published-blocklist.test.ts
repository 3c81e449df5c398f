import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VERSION_FIELD } from "../../../src/middleware/auth/api-keys.ts";
import { compileBlocklist } from "../../../src/middleware/blocklist/blocklist.ts";
import { networkOf } from "../../../src/middleware/blocklist/network.ts";
import {
  MAX_BYTES,
  MAX_ENTRIES,
  PARTS_FIELD,
  readParts,
  writeParts,
} from "../../../src/middleware/blocklist/snapshot.ts";
import type { ClientAddress } from "../../../src/middleware/context/client.ts";
import { read } from "./support.ts";

const PART_BYTES = 192 * 1_024;
const PART_LENGTH = 256 * 1_024;

/** Bytes of all values. */
const bytesOf = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >>> 8)) & 0xff);

const isEqual = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
  a !== undefined && a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index]);

describe("bytes in parts", () => {
  test.each([
    [0, 1],
    [3 * 4_096 + 1, 1],
    [PART_BYTES, 1],
    [PART_BYTES + 1, 2],
    [2 * PART_BYTES, 2],
    [2 * PART_BYTES + 2, 3],
  ])("round-trip: %i in %i", (length, count) => {
    const bytes = bytesOf(length);
    const values = writeParts(bytes);
    expect(values[PARTS_FIELD]).toBe(String(count));
    expect(Object.keys(values)).toHaveLength(count + 1);
    expect(isEqual(readParts(values), bytes)).toBe(true);
  });

  test("round-trip whatever their values and their offset", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat({ max: 10 }), (bytes, from) => {
        expect(readParts(writeParts(bytes.subarray(from)))).toEqual(bytes.slice(from));
      }),
    );
  });

  test("are short, and none is the version", () => {
    const values = writeParts(bytesOf(3 * PART_BYTES + 1));
    for (const text of Object.values(values)) expect(text.length).toBeLessThanOrEqual(PART_LENGTH);
    expect(Object.keys(values)).not.toContain(VERSION_FIELD);
  });

  test("are read despite other fields", () => {
    const bytes = bytesOf(100);
    expect(isEqual(readParts({ ...writeParts(bytes), [VERSION_FIELD]: "7", "1": "AAAA" }), bytes)).toBe(true);
  });
});

describe("nothing is read", () => {
  const values = writeParts(bytesOf(2 * PART_BYTES + 5));

  test.each(["0", "1", "2", PARTS_FIELD])("if the field %s is missing", (field) => {
    const { [field]: _, ...others } = values;
    expect(readParts(others)).toBeUndefined();
  });

  test.each("! A AAA% AB= =AAA AA==AA== {} \u0100AAA".split(" "))("if a part is %j", (text) => {
    expect(readParts({ ...values, 1: text })).toBeUndefined();
  });

  test("if a part is too long", () => {
    expect(readParts({ ...values, 1: "A".repeat(PART_LENGTH + 4) })).toBeUndefined();
  });

  const COUNTS = "0 -1 01 1.0 1e1 65 99 100 NaN three".split(" ");
  test.each([...COUNTS, "", " 1", "1 ", "1\n"])("if the number of parts is %j", (count) => {
    const parts = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [String(index), "AAAA"]));
    expect(readParts({ ...parts, [PARTS_FIELD]: count })).toBeUndefined();
  });

  test("from an empty hash", () => {
    expect(readParts({})).toBeUndefined();
  });
});

const bytesOfWord = (word: number): number[] => [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff);

const siteAddress = (index: number): ClientAddress => ({
  family: 6,
  bytes: [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, ...bytesOfWord(index)],
});

test("a long list is read from its parts, and the largest one fits", () => {
  const COUNT = 20_000;
  const entries = Array.from({ length: COUNT }, (_, index) => ({
    network: networkOf(siteAddress(index)),
    expiresAtMs: null,
  }));
  const bytes = compileBlocklist(entries);
  expect((bytes.byteLength / COUNT) * MAX_ENTRIES).toBeLessThan(MAX_BYTES);
  const list = read(readParts(writeParts(bytes)) ?? new Uint8Array());
  expect(list.size).toBe(COUNT);
  expect(list.match(siteAddress(0), 0)?.network).toBe("2001:db8::");
  expect(list.match(siteAddress(COUNT - 1), 0)?.network).toBe("2001:db8::4e1f");
  expect(list.match(siteAddress(COUNT), 0)).toBeUndefined();
});
