import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VERSION_FIELD } from "../../../src/middleware/auth/api-keys.ts";
import { type BlocklistEntry, compileBlocklist } from "../../../src/middleware/blocklist/blocklist.ts";
import { writeCidr } from "../../../src/middleware/blocklist/network.ts";
import {
  MAX_ENTRIES,
  PARTS_FIELD,
  publishedBlocklistName,
  readParts,
  writeParts,
} from "../../../src/middleware/blocklist/snapshot.ts";
import { type ClientAddress, writeAddress } from "../../../src/middleware/context/client.ts";
import { read } from "./support.ts";

const PART_BYTES = 192 * 1_024;
const PART_LENGTH = 256 * 1_024;

/** Bytes of all values. */
const bytesOf = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >>> 8)) & 0xff);

const isEqual = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
  a !== undefined && a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index]);

test("the name of the hash begins with the prefix", () => {
  expect(publishedBlocklistName("breakwater:")).toBe("breakwater:blocklist");
});

describe("bytes in parts", () => {
  test.each([
    [0, 1],
    [1, 1],
    [2, 1],
    [3, 1],
    [16, 1],
    [3 * 4_096 + 1, 1],
    [PART_BYTES - 1, 1],
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

  test("are read among other fields", () => {
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

  test.each([
    "!",
    "A",
    "AAA%",
    "AB=",
    "=AAA",
    "AA==AA==",
    "A_-A",
    '{"blocked":[]}',
    "\u0100AAA",
  ])("if a part is %j", (text) => {
    expect(readParts({ ...values, 1: text })).toBeUndefined();
  });

  test("if a part is too long", () => {
    expect(readParts({ ...values, 1: "A".repeat(PART_LENGTH + 4) })).toBeUndefined();
  });

  test.each([
    "",
    "0",
    "-1",
    "01",
    "1.0",
    "1e1",
    " 1",
    "1 ",
    "1\n",
    "65",
    "99",
    "100",
    "NaN",
    "three",
  ])("if the number of parts is %j", (count) => {
    const parts = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [String(index), "AAAA"]));
    expect(readParts({ ...parts, [PARTS_FIELD]: count })).toBeUndefined();
  });

  test("from an empty hash", () => {
    expect(readParts({})).toBeUndefined();
  });
});

/** A different number for each index, spread over the range: an odd factor permutes the numbers of a word. */
const scattered = (index: number, bits: number): number => (Math.imul(index, 0x9e37_79b1) >>> 0) % 2 ** bits;

const bytesOfWord = (word: number): number[] => [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff);

const SITE = [0x20, 0x01, 0x0d, 0xb8];

const range = <T>(length: number, of: (index: number) => T): T[] =>
  Array.from({ length }, (_, index) => of(index));

const NOW_MS = 1_700_000_000_000;

/** Past for every second entry. */
const expiryOf = (index: number): number | null => [NOW_MS + 60_000, NOW_MS, null][index % 3] ?? null;

/** Addresses and ranges of both families, some of the addresses within the ranges. */
const manyEntries = (of: number): BlocklistEntry[] => {
  const each = of / 4;
  const entry = (family: 4 | 6, bytes: number[], length: number, index: number): BlocklistEntry => ({
    network: { family, bytes, length },
    expiresAtMs: expiryOf(index),
  });
  const ipv6 = (index: number, host: number): number[] => [
    ...SITE,
    ...bytesOfWord(scattered(index, 32)),
    0,
    0,
    0,
    0,
    ...bytesOfWord(host),
  ];
  return [
    ...range(each, (index) => entry(4, bytesOfWord(scattered(index, 32)), 32, index)),
    ...range(each, (index) => entry(4, [...bytesOfWord(scattered(index, 24)).slice(1), 0], 24, index + 1)),
    ...range(each, (index) => entry(6, ipv6(index, 0), 64, index)),
    ...range(each, (index) => entry(6, ipv6(index, 1), 128, index + 1)),
  ];
};

/** One lookup per prefix length. */
const oracleOf = (entries: readonly BlocklistEntry[]) => {
  const expiries = new Map(entries.map(({ network, expiresAtMs }) => [writeCidr(network), expiresAtMs]));
  return ({ family, bytes }: ClientAddress): string | undefined => {
    const kept = family === 4 ? 3 : 8;
    const range = { family, bytes: bytes.map((byte, index) => (index < kept ? byte : 0)), length: 8 * kept };
    return [writeAddress({ family, bytes }), writeCidr(range)].find((text) => {
      const expiresAtMs = expiries.get(text);
      return expiresAtMs === null || (expiresAtMs !== undefined && expiresAtMs > NOW_MS);
    });
  };
};

test("100,000 entries are compiled, published, read back and matched", () => {
  const entries = manyEntries(100_000);
  const published = readParts(writeParts(compileBlocklist(entries)));
  const list = read(published ?? new Uint8Array());
  expect(list.size).toBe(100_000);
  const expected = oracleOf(entries);
  let blocked = 0;
  const wrong: string[] = [];
  for (const { network } of entries) {
    const last = network.bytes.at(-1) ?? 0;
    for (const byte of [last, last ^ 2]) {
      const client: ClientAddress = { family: network.family, bytes: [...network.bytes.slice(0, -1), byte] };
      const found = list.match(client, NOW_MS)?.network;
      if (found !== undefined) blocked += 1;
      if (found !== expected(client)) wrong.push(writeAddress(client));
    }
  }
  expect(wrong).toEqual([]);
  // Two thirds of the entries are in force, and match some of the neighboring addresses.
  expect(blocked).toBeGreaterThan(70_000);
  expect(blocked).toBeLessThan(180_000);
});

test("the largest list is read from its parts", () => {
  const entries = range(MAX_ENTRIES, (index): BlocklistEntry => {
    const bytes = [...SITE, 0, 0, 0, 0, 0, 0, 0, 0, ...bytesOfWord(index)];
    return { network: { family: 6, bytes, length: 128 }, expiresAtMs: null };
  });
  const bytes = compileBlocklist(entries);
  expect(bytes.byteLength).toBeLessThanOrEqual(5_000_016);
  const list = read(readParts(writeParts(bytes)) ?? new Uint8Array());
  expect(list.size).toBe(MAX_ENTRIES);
  const at = (index: number): ClientAddress => ({
    family: 6,
    bytes: [...SITE, 0, 0, 0, 0, 0, 0, 0, 0, ...bytesOfWord(index)],
  });
  expect(list.match(at(0), NOW_MS)?.network).toBe("2001:db8::");
  expect(list.match(at(MAX_ENTRIES - 1), NOW_MS)?.network).toBe("2001:db8::3:d3f");
  expect(list.match(at(MAX_ENTRIES), NOW_MS)).toBeUndefined();
});
