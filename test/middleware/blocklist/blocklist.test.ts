import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Blocked,
  type BlocklistEntry,
  compileBlocklist,
  readBlocklist,
} from "../../../src/middleware/blocklist/blocklist.ts";
import { writeCidr } from "../../../src/middleware/blocklist/network.ts";
import type { ClientAddress } from "../../../src/middleware/context/client.ts";
import {
  address,
  anyAddress,
  anyNetwork,
  automatic,
  beside,
  bitsOf,
  blocklist,
  entry,
  read,
  within,
} from "./support.ts";

const NOW_MS = 1_700_000_000_000;

const matchOf = (entries: readonly BlocklistEntry[], text: string, nowMs = NOW_MS): Blocked | undefined =>
  blocklist(entries).match(address(text), nowMs);

describe("an address is blocked by the narrowest network that contains it", () => {
  const NESTED = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.0/24",
    "10.1.2.3",
    "10.1.2.4/31",
    "10.200.0.0/16",
    "2001:db8::/32",
    "2001:db8:1::/48",
    "2001:db8:1:2::/64",
    "2001:db8:1:2::",
    "2001:db8:1:2:8000::/65",
  ].map((text) => entry(text));

  test.each([
    ["9.255.255.255", undefined],
    ["10.0.0.0", "10.0.0.0/8"],
    ["10.1.0.0", "10.1.0.0/16"],
    ["10.1.1.255", "10.1.0.0/16"],
    ["10.1.2.0", "10.1.2.0/24"],
    ["10.1.2.2", "10.1.2.0/24"],
    ["10.1.2.3", "10.1.2.3"],
    ["10.1.2.4", "10.1.2.4/31"],
    ["10.1.2.5", "10.1.2.4/31"],
    ["10.1.2.6", "10.1.2.0/24"],
    ["10.1.3.0", "10.1.0.0/16"],
    ["10.2.0.0", "10.0.0.0/8"],
    ["10.200.255.255", "10.200.0.0/16"],
    ["10.255.255.255", "10.0.0.0/8"],
    ["11.0.0.0", undefined],
    ["255.255.255.255", undefined],
    ["2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", undefined],
    ["2001:db8::", "2001:db8::/32"],
    ["2001:db8:1::", "2001:db8:1::/48"],
    ["2001:db8:1:2::", "2001:db8:1:2::"],
    ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
    ["2001:db8:1:2:7fff:ffff:ffff:ffff", "2001:db8:1:2::/64"],
    ["2001:db8:1:2:8000::", "2001:db8:1:2:8000::/65"],
    ["2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2:8000::/65"],
    ["2001:db8:1:3::", "2001:db8:1::/48"],
    ["2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::/32"],
    ["2001:db9::", undefined],
    ["::ffff:10.1.2.3", "10.1.2.3"],
  ])("%s by %s", (text, expected) => {
    expect(matchOf(NESTED, text)?.network).toBe(expected);
  });

  test("in any order of the entries", () => {
    expect(compileBlocklist(NESTED.toReversed())).toEqual(compileBlocklist(NESTED));
  });
});

test.each([
  ["narrower", "10.0.0.0/8", "10.1.2.3", "10.0.0.0/8", false],
  ["wider", "10.1.2.3", "10.0.0.0/8", "10.1.2.3", false],
])("an operator's block counts, not a %s automatic one", (_, operator, other, network, isAutomatic) => {
  const entries = [entry(operator), automatic(other, NOW_MS + 1_000)];
  expect(matchOf(entries, "10.1.2.3")).toMatchObject({ network, isAutomatic });
  expect(matchOf([automatic(other)], "10.1.2.3")).toMatchObject({ network: other, isAutomatic: true });
});

test.each([
  ["0.0.0.0/0", "255.255.255.255", "::1"],
  ["::/0", "ffff::1", "0.0.0.0"],
  ["::/0", "::", "::ffff:192.0.2.1"],
])("%s blocks %s, but not %s, which is of the other family", (network, inside, other) => {
  expect(matchOf([entry(network)], inside)?.network).toBe(network);
  expect(matchOf([entry(network)], other)).toBeUndefined();
});

describe("an entry that expires", () => {
  test("blocks until the end of its last second", () => {
    const entries = [entry("192.0.2.1", NOW_MS + 1)];
    const end = NOW_MS + 1_000;
    expect(matchOf(entries, "192.0.2.1", end - 1)).toEqual({
      network: "192.0.2.1",
      expiresAtMs: end,
      isAutomatic: false,
    });
    expect(matchOf(entries, "192.0.2.1", end)).toBeUndefined();
  });

  test("at a whole second blocks until then", () => {
    const entries = [entry("2001:db8::/64", NOW_MS)];
    expect(matchOf(entries, "2001:db8::1", NOW_MS - 1)?.expiresAtMs).toBe(NOW_MS);
    expect(matchOf(entries, "2001:db8::1", NOW_MS)).toBeUndefined();
  });

  test.each([0, -1, -NOW_MS])("at %i has expired, and is not permanent", (expiresAtMs) => {
    expect(matchOf([entry("192.0.2.1", expiresAtMs)], "192.0.2.1")).toBeUndefined();
  });

  test.each([
    0x1_0000_0000 * 1_000,
    Number.MAX_SAFE_INTEGER,
    Number.POSITIVE_INFINITY,
  ])("at %s, beyond the last second of the format, is permanent", (expiresAtMs) => {
    expect(matchOf([entry("192.0.2.1", expiresAtMs)], "192.0.2.1")?.expiresAtMs).toBeNull();
  });

  test("in the last second of the format expires", () => {
    const lastMs = 0xffff_ffff * 1_000;
    expect(matchOf([entry("192.0.2.1", lastMs)], "192.0.2.1", lastMs - 1)?.expiresAtMs).toBe(lastMs);
    expect(matchOf([entry("192.0.2.1", lastMs)], "192.0.2.1", lastMs)).toBeUndefined();
  });
});

test("the same first address with different lengths makes different networks", () => {
  expect(blocklist([entry("10.0.0.0/8"), entry("10.0.0.0/9"), entry("10.0.0.0")]).size).toBe(3);
});

/** Compares each entry as text. */
const matchByScan = (
  entries: readonly BlocklistEntry[],
  client: ClientAddress,
  nowMs: number,
): Blocked | undefined => {
  const bits = bitsOf(client);
  const [found] = entries
    .filter(({ network }) => network.family === client.family)
    .filter(({ network }) => bits.startsWith(bitsOf(network).slice(0, network.length)))
    .map(({ network, expiresAtMs, isAutomatic = false }) => ({
      network,
      isAutomatic,
      endMs: expiresAtMs === null ? Number.POSITIVE_INFINITY : Math.ceil(expiresAtMs / 1_000) * 1_000,
    }))
    .filter(({ endMs }) => endMs > nowMs)
    .sort((a, b) => Number(a.isAutomatic) - Number(b.isAutomatic) || b.network.length - a.network.length);
  return (
    found && {
      network: writeCidr(found.network),
      expiresAtMs: Number.isFinite(found.endMs) ? found.endMs : null,
      isAutomatic: found.isAutomatic,
    }
  );
};

test("a match is the result of a scan, for any list", () => {
  const expiry = fc.option(fc.integer({ min: 1, max: 10_000 }).map((ms) => NOW_MS + ms - 5_000));
  const anyEntry = fc.record({ network: anyNetwork, expiresAtMs: expiry, isAutomatic: fc.boolean() });
  const entries = fc.uniqueArray(anyEntry, {
    selector: ({ network }) => writeCidr(network),
    maxLength: 60,
    size: "max",
  });
  const near = fc.record({
    which: fc.nat(),
    host: fc.oneof(
      fc.constant(Array.from({ length: 16 }, () => 0)),
      fc.constant(Array.from({ length: 16 }, () => 0xff)),
      fc.array(fc.nat({ max: 0xff }), { minLength: 16, maxLength: 16 }),
    ),
    step: fc.constantFrom(-1n, null, 1n),
  });
  const moment = fc.integer({ min: -5_000, max: 6_000 }).map((ms) => NOW_MS + ms);
  const scenario = fc.record({
    entries,
    probes: fc.array(near, { maxLength: 30, size: "max" }),
    others: fc.array(anyAddress, { maxLength: 10 }),
    nowMs: moment,
  });
  let found = 0;
  fc.assert(
    fc.property(scenario, ({ entries: each, probes, others, nowMs }) => {
      const list = blocklist(each);
      const nearby = probes.flatMap(({ which, host, step }) => {
        const chosen = each[which % Math.max(1, each.length)];
        if (chosen === undefined) return [];
        const inside = within(chosen.network, host);
        return [step === null ? inside : beside(inside, step)];
      });
      for (const client of [...nearby, ...others]) {
        const expected = matchByScan(each, client, nowMs);
        if (expected !== undefined) found += 1;
        expect(list.match(client, nowMs)).toEqual(expected);
      }
    }),
    { numRuns: 300 },
  );
  expect(found).toBeGreaterThan(1_000);
});

describe("the format", () => {
  const ENTRIES = [
    entry("10.1.0.0/16"),
    entry("192.0.2.1"),
    entry("10.0.0.0/8", 5_000),
    entry("10.0.0.0", null),
    entry("2001:db8::/33", 9_001),
  ];
  const whole = compileBlocklist(ENTRIES);

  test("is compatible with older and newer tiers", () => {
    expect([...new Uint32Array(whole.buffer)]).toEqual([
      ...[0x4c42_5742, 2, 4],
      ...[6, 33, 1, 0x2001_0db8, 0, 10],
      ...[4, 32, 2, 0x0a00_0000, 0xc000_0201, 0, 0],
      ...[4, 16, 1, 0x0a01_0000, 0],
      ...[4, 8, 1, 0x0a00_0000, 5],
    ]);
  });

  test("lists automatic blocks once more, in tables that older edges ignore", () => {
    const words = new Uint32Array(
      compileBlocklist([entry("192.0.2.1"), automatic("192.0.2.2", 5_000)]).buffer,
    );
    expect([...words]).toEqual([
      ...[0x4c42_5742, 2, 2],
      ...[4 + 0x100, 32, 1, 0xc000_0202, 5],
      ...[4, 32, 2, 0xc000_0201, 0xc000_0202, 0, 5],
    ]);
  });

  /** Like Node's Buffer, whose slice shares memory. */
  class SharingBytes extends Uint8Array<ArrayBuffer> {
    override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
      return this.subarray(start, end);
    }
  }

  test.each([0, 1, 2, 3, 4, 7])("may begin anywhere in a buffer: offset %i", (offset) => {
    const view = new SharingBytes(new ArrayBuffer(whole.byteLength + offset + 5), offset, whole.byteLength);
    view.set(whole);
    expect(read(view).size).toBe(5);
    expect(read(view).match(address("10.1.2.3"), 0)?.network).toBe("10.1.0.0/16");
    expect(read(view).match(address("2001:db8::1"), 0)?.expiresAtMs).toBe(10_000);
  });

  test("is not read from truncated or additional bytes", () => {
    for (let length = 0; length < whole.byteLength; length += 1)
      expect(readBlocklist(whole.slice(0, length))).toBeUndefined();
    for (const bytes of [Uint8Array.of(...whole, 0), new Uint8Array(12)])
      expect(readBlocklist(bytes)).toBeUndefined();
  });

  test.each([
    ["of another format", 0, 0],
    ["in the other byte order", 0, 0x4257_424c],
    ["of an earlier version", 1, 1],
    ["of a later version", 1, 3],
    ["with too few tables", 2, 3],
    ["with too many tables", 2, 5],
    ["with too few entries", 5, 0],
    ["with too many entries", 5, 0xffff_ffff],
    ["with a prefix longer than an address", 4, 129],
  ])("is not read from bytes %s", (_, word, value) => {
    const words = new Uint32Array(whole.slice().buffer);
    words[word] = value;
    expect(readBlocklist(new Uint8Array(words.buffer))).toBeUndefined();
  });

  test("causes neither an error nor an endless search if it is corrupt", () => {
    const change = fc.record({ at: fc.nat(), byte: fc.nat({ max: 0xff }) });
    const corruption = fc.array(change, { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(corruption, fc.array(anyAddress, { minLength: 20, maxLength: 20 }), (changes, clients) => {
        const bytes = whole.slice();
        for (const { at, byte } of changes) bytes[12 + (at % (bytes.byteLength - 12))] = byte;
        const list = readBlocklist(bytes);
        for (const client of clients) list?.match(client, 0);
      }),
    );
  });
});
