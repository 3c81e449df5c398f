import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  compileBlocklist,
  compiledBytes,
  familiesOf,
  HEADER_BYTES,
  readBlocklist,
  WORD_BYTES,
} from "../../../src/middleware/blocklist/blocklist.ts";
import { address, anyAddress, blocklist, entry, read } from "./support.ts";

const ENTRIES = [
  entry("10.0.0.0/8", 5_000),
  entry("10.1.0.0/16"),
  entry("192.0.2.1"),
  entry("2001:db8::/32"),
  entry("2001:db8::1", 9_001),
];

const hexadecimal = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

test("the format is the one that older and newer tiers read", () => {
  const words = [
    // Header.
    "4257424c 01000000 03000000 02000000",
    // IPv4: starts, expiries, parents.
    "0000000a 0000010a 010200c0",
    "05000000 00000000 00000000",
    "00000000 01000000 00000000",
    // IPv6: starts, expiries, parents.
    "b80d0120 00000000 00000000 00000000",
    "b80d0120 00000000 00000000 01000000",
    "00000000 0a000000",
    "00000000 01000000",
    // Lengths of both.
    "081020 2080",
  ];
  expect(hexadecimal(compileBlocklist(ENTRIES))).toBe(words.join("").replaceAll(" ", ""));
});

test("an IPv4 entry takes 13 bytes, an IPv6 entry 25", () => {
  expect(compiledBytes(0, 0)).toBe(HEADER_BYTES);
  expect(compiledBytes(7, 0)).toBe(HEADER_BYTES + 7 * 13);
  expect(compiledBytes(0, 7)).toBe(HEADER_BYTES + 7 * 25);
});

test("the columns fill the list, without gaps or overlaps", () => {
  fc.assert(
    fc.property(fc.nat({ max: 1_000 }), fc.nat({ max: 1_000 }), (ipv4Count, ipv6Count) => {
      const bytes = new Uint8Array(compiledBytes(ipv4Count, ipv6Count));
      const { ipv4, ipv6 } = familiesOf(bytes, ipv4Count, ipv6Count);
      const words = [ipv4, ipv6].flatMap(({ starts, expiries, parents }) => [starts, expiries, parents]);
      let at = HEADER_BYTES;
      for (const { byteOffset, byteLength } of [...words, ipv4.lengths, ipv6.lengths]) {
        expect(byteOffset).toBe(at);
        at += byteLength;
      }
      expect(at).toBe(bytes.byteLength);
    }),
  );
});

/** The same bytes at an offset in their buffer. */
const behind = (bytes: Uint8Array, offset: number): Uint8Array<ArrayBuffer> => {
  const buffer = new ArrayBuffer(bytes.byteLength + offset + 5);
  const view = new Uint8Array(buffer, offset, bytes.byteLength);
  view.set(bytes);
  return view;
};

/** Like Node's Buffer, whose slice shares memory. */
class SharingBytes extends Uint8Array<ArrayBuffer> {
  override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
    return this.subarray(start, end);
  }
}

describe("the bytes may begin anywhere in their buffer", () => {
  test.each([0, 1, 2, 3, 4, 7])("at offset %i", (offset) => {
    const list = read(behind(compileBlocklist(ENTRIES), offset));
    expect(list.size).toBe(5);
    expect(list.match(address("10.1.2.3"), 0)?.network).toBe("10.1.0.0/16");
    expect(list.match(address("2001:db8::1"), 0)?.expiresAtMs).toBe(10_000);
  });

  test("even if a slice shares their memory", () => {
    const { buffer, byteOffset, byteLength } = behind(compileBlocklist(ENTRIES), 1);
    expect(read(new SharingBytes(buffer, byteOffset, byteLength)).size).toBe(5);
  });
});

describe("no list is read from", () => {
  const whole = compileBlocklist(ENTRIES);

  test("truncated bytes, wherever they end", () => {
    for (let length = 0; length < whole.byteLength; length += 1)
      expect(readBlocklist(whole.slice(0, length))).toBeUndefined();
  });

  test("bytes with more behind them", () => {
    expect(readBlocklist(Uint8Array.of(...whole, 0))).toBeUndefined();
  });

  const changed = (word: number, value: number): Uint8Array => {
    const bytes = whole.slice();
    new DataView(bytes.buffer).setUint32(word * WORD_BYTES, value, true);
    return bytes;
  };

  test.each([
    ["of another kind", 0, 0],
    ["of a kind in the other order of bytes", 0, 0x4257_424c],
    ["of a later form", 1, 2],
    ["of no form", 1, 0],
    ["that promise fewer IPv4 entries", 2, 2],
    ["that promise more IPv4 entries", 2, 4],
    ["that promise more IPv4 entries than there can be", 2, 0xffff_ffff],
    ["that promise fewer IPv6 entries", 3, 1],
    ["that promise more IPv6 entries than there can be", 3, 0xffff_ffff],
  ])("bytes %s", (_, word, value) => {
    expect(readBlocklist(changed(word, value))).toBeUndefined();
  });

  test("no bytes, nor zeros", () => {
    expect(readBlocklist(new Uint8Array(0))).toBeUndefined();
    expect(readBlocklist(new Uint8Array(HEADER_BYTES))).toBeUndefined();
  });
});

describe("garbled bytes behind the header", () => {
  test("cause neither an error nor an endless search", () => {
    const garbled = fc.array(fc.record({ at: fc.nat(), byte: fc.nat({ max: 0xff }) }), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(garbled, fc.array(anyAddress, { minLength: 20, maxLength: 20 }), (changes, clients) => {
        const bytes = compileBlocklist(ENTRIES);
        const body = bytes.subarray(HEADER_BYTES);
        for (const { at, byte } of changes) body[at % body.byteLength] = byte;
        const list = read(bytes);
        expect(list.size).toBe(5);
        for (const client of clients) list.match(client, 0);
      }),
    );
  });

  /** Sets the parent of an entry: a number, from 1. */
  const heldBy = (entries: typeof ENTRIES, index: number, number: number): Uint8Array => {
    const bytes = compileBlocklist(entries);
    familiesOf(bytes, entries.length, 0).ipv4.parents[index] = number;
    return bytes;
  };

  test.each([
    ["itself", 2],
    ["one behind it", 3],
    ["one that does not exist", 0xffff_ffff],
  ])("do not lead the search from an entry to %s", (_, number) => {
    const entries = [entry("10.0.0.0/8"), entry("10.1.2.3"), entry("10.2.0.0/16")];
    expect(blocklist(entries).match(address("10.1.2.4"), 0)?.network).toBe("10.0.0.0/8");
    expect(read(heldBy(entries, 1, number)).match(address("10.1.2.4"), 0)).toBeUndefined();
  });

  test("do not lead the search through entries that are not wider", () => {
    const entries = [entry("10.0.0.0/8"), entry("10.0.0.1"), entry("10.0.0.2")];
    expect(blocklist(entries).match(address("10.0.0.3"), 0)?.network).toBe("10.0.0.0/8");
    expect(read(heldBy(entries, 2, 2)).match(address("10.0.0.3"), 0)).toBeUndefined();
  });
});
