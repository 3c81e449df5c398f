import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  clientIdentities,
  isClient,
  parseAddress,
  UNKNOWN_CLIENT,
  writeAddress,
} from "../../../src/middleware/context/client.ts";

const canonical = (text: string): string | undefined => {
  const address = parseAddress(text);
  return address && writeAddress(address);
};

describe("an address has one canonical form", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["2001:db8::1", "2001:db8::1"],
    ["2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    // RFC 5952 §4.2.2 and §4.2.3: a single zero group stays, and of two equal runs the first is shortened.
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::192.0.2.1", "::c000:201"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:0201", "192.0.2.1"],
    ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
  ])("%s is %s", (text, written) => {
    expect(canonical(text)).toBe(written);
  });

  test("which parses to the same address", () => {
    const group = fc.oneof(fc.constant(0), fc.nat({ max: 0xffff }));
    const groups = fc.array(group, { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, (parts) => {
        const text = parts.map((part) => part.toString(16)).join(":");
        const address = parseAddress(text);
        expect(address && parseAddress(writeAddress(address))).toEqual(address);
      }),
    );
  });
});

const INVALID =
  "unknown 127.1 1.2.3 1.2.3.4.5 2130706433 256.0.0.1 01.2.3.4 0177.0.0.1 0x7f.0.0.1 1.2.3.4%eth0 " +
  "1.2.3.-4 : ::: :::: 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1::2::3 1:2:3:4:5:6:7::8 12345:: g::1 1.2.3.4:: " +
  "::1.2.3.4:5 ::1.2.3 ::ffff:01.2.3.4 ::ffff:0x7f.0.0.1 64:ff9b::127.1 fe80::1%eth0 [::1] 1:2:3:4:5:6:7: " +
  ":1:2:3:4:5:6:7 ::ffff:1.2.3.4.5";

test.each([
  ...INVALID.split(" "),
  "",
  "1.2.3.4 ",
  "1.2.3.4\n",
  `::${"1".repeat(50)}`,
])("%j is not an address", (text) => {
  expect(parseAddress(text)).toBeUndefined();
});

test("no text causes an error, and the canonical form of an address is stable", () => {
  const piece = fc.constantFrom(...": :: . % 0 01 ffff 255 256 0x1 192.0.2.1".split(" "), " ");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const written = canonical(pieces.join(""));
      expect(written && canonical(written)).toBe(written);
    }),
  );
});

test.each([
  ["192.0.2.7", "192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"],
  ["::FFFF:C000:207", "192.0.2.7", "192.0.2.7"],
  ["2001:0DB8:0:0:0:0:0:1", "2001:db8::1", "2001:db8::/64"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
])("%s identifies the client %s of the network %s, each time", (field, name, network) => {
  const identify = clientIdentities(10);
  for (let turn = 0; turn < 2; turn += 1) expect(identify(field)).toMatchObject({ name, network });
});

test.each([
  null,
  "",
  "192.0.2.7, 198.51.100.1",
  "192.0.2.7:443",
  "localhost",
  "x".repeat(10_000),
])("%j identifies no client", (field) => {
  const unknown = { name: UNKNOWN_CLIENT, network: UNKNOWN_CLIENT, address: undefined };
  expect(clientIdentities(10)(field)).toEqual(unknown);
});

test("a client's name is an address, or unknown", () => {
  expect(["192.0.2.7", "2001:db8::1", UNKNOWN_CLIENT].every(isClient)).toBe(true);
  expect(["", "alice", "192.0.2"].some(isClient)).toBe(false);
});
