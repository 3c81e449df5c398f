import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isTooWide,
  networkOf,
  overlap,
  parseNetwork,
  writeCidr,
} from "../../../src/middleware/blocklist/network.ts";
import { address, anyNetwork, bitsOf, network, within } from "./support.ts";

describe("a network has one canonical form", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["192.0.2.1/32", "192.0.2.1"],
    ["192.0.2.255/24", "192.0.2.0/24"],
    ["192.0.2.255/25", "192.0.2.128/25"],
    ["255.255.255.255/1", "128.0.0.0/1"],
    ["255.255.255.255/0", "0.0.0.0/0"],
    ["2001:DB8::1", "2001:db8::1"],
    ["2001:db8::1/128", "2001:db8::1"],
    ["2001:db8::ffff/127", "2001:db8::fffe/127"],
    ["2001:db8:1:2:3:4:5:6/64", "2001:db8:1:2::/64"],
    ["2001:db8:ffff::/33", "2001:db8:8000::/33"],
    ["ffff::/1", "8000::/1"],
    ["ffff::/0", "::/0"],
    // Networks of IPv4-mapped addresses are IPv4 networks.
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1/128", "192.0.2.1"],
    ["::FFFF:c000:02ff/120", "192.0.2.0/24"],
    ["::ffff:192.0.2.1/97", "128.0.0.0/1"],
    ["::ffff:0:0/96", "0.0.0.0/0"],
  ])("%s is %s", (text, written) => {
    expect(writeCidr(network(text))).toBe(written);
  });

  test("which parses to the same network", () => {
    fc.assert(
      fc.property(anyNetwork, (each) => {
        expect(network(writeCidr(each))).toEqual(each);
      }),
    );
  });
});

/** `::ffff:192.0.2.1/95` would contain more than mapped addresses. */
const INVALID =
  "/ /24 192.0.2.0/ 192.0.2.0/33 192.0.2.0/128 192.0.2.0/-1 192.0.2.0/+8 192.0.2.0/024 192.0.2.0/8.0 " +
  "192.0.2.0/1e1 192.0.2.0/0x8 192.0.2.0/24/24 192.0.2.0/255.255.255.0 192.0.2/24 192.0.2.* " +
  "192.0.2.0-192.0.2.9 2001:db8::/129 2001:db8::/1000 2001:db8/32 ::ffff:192.0.2.1/129 " +
  "::ffff:192.0.2.1/95 [2001:db8::]/32 fe80::%eth0/64 example.org/24";

test.each([
  "",
  ...INVALID.split(" "),
  "192.0.2.0/ 8",
  "192.0.2.0 /8",
  "192.0.2.0/8 ",
  "192.0.2.0/8\n",
])("%j is not a network", (text) => {
  expect(parseNetwork(text)).toBeUndefined();
});

test("an address without a length is a network of its own", () => {
  expect(networkOf(address("192.0.2.1")).length).toBe(32);
  expect(networkOf(address("2001:db8::1")).length).toBe(128);
});

test("a network is the prefix of its addresses with all other bits zero", () => {
  fc.assert(
    fc.property(anyNetwork, fc.uint8Array({ minLength: 16, maxLength: 16 }), (each, host) => {
      expect(networkOf(within(each, [...host]), each.length)).toEqual(each);
      expect(bitsOf(each).slice(each.length)).toMatch(/^0*$/);
    }),
  );
});

test("two networks overlap if one's prefix begins with the other's", () => {
  fc.assert(
    fc.property(anyNetwork, anyNetwork, (a, b) => {
      const shared = Math.min(a.length, b.length);
      const same = a.family === b.family && bitsOf(a).slice(0, shared) === bitsOf(b).slice(0, shared);
      expect([overlap(a, b), overlap(b, a)]).toEqual([same, same]);
    }),
  );
});

test.each([
  ["0.0.0.0/0", true],
  ["10.0.0.0/7", true],
  ["10.0.0.0/8", false],
  ["::ffff:10.0.0.0/103", true],
  ["::ffff:10.0.0.0/104", false],
  ["2001:db8::/15", true],
  ["2001:db8::/16", false],
])("%s is rejected as too wide: %j", (text, tooWide) => {
  expect(isTooWide(network(text))).toBe(tooWide);
});
