import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseAddress, writeAddress, writeNetwork } from "../../../src/middleware/context/client-address.ts";

const canonical = (text: string): string | undefined => {
  const address = parseAddress(text);
  return address && writeAddress(address);
};

describe("an address is written in one way", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["2001:db8::1", "2001:db8::1"],
    ["2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    // RFC 5952 §4.2.2 and §4.2.3: one group is not shortened, and of two runs the first.
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:0201", "192.0.2.1"],
    ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
  ])("%s as %s", (text, written) => {
    expect(canonical(text)).toBe(written);
  });

  test("which is read as the same address", () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.nat({ max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(groups, (parts) => {
        const text = parts.map((part) => part.toString(16)).join(":");
        const address = parseAddress(text);
        expect(address && parseAddress(writeAddress(address))).toEqual(address);
      }),
    );
  });
});

test.each([
  "",
  "unknown",
  "1.2.3",
  "1.2.3.4.5",
  "256.0.0.1",
  "01.2.3.4",
  "0x7f.0.0.1",
  "1.2.3.4 ",
  "1.2.3.-4",
  ":",
  ":::",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1::2::3",
  "1:2:3:4:5:6:7::8",
  "12345::",
  "g::1",
  "1.2.3.4::",
  "::1.2.3.4:5",
  "::1.2.3",
  "fe80::1%eth0",
  "[::1]",
  "1:2:3:4:5:6:7:",
  ":1:2:3:4:5:6:7",
  "::ffff:1.2.3.4.5",
  `::${"1".repeat(50)}`,
])("%s is no address", (text) => {
  expect(parseAddress(text)).toBeUndefined();
});

test("an IPv6 address is its whole /64's, an IPv4 address its own", () => {
  const networkOf = (text: string) => {
    const address = parseAddress(text);
    return address && writeNetwork(address);
  };
  expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
  expect(networkOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(networkOf("::1")).toBe("::/64");
});
