import { expect, test } from "vitest";
import { clientIdentities, isClient, UNKNOWN_CLIENT } from "../../../src/middleware/context/client.ts";

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["::FFFF:C000:207", "192.0.2.7"],
  ["2001:0DB8:0:0:0:0:0:1", "2001:db8::1"],
])("%s is the client %s, each time", (field, client) => {
  const identify = clientIdentities(10);
  expect([identify(field).name, identify(field).name]).toEqual([client, client]);
});

test.each([
  null,
  "",
  "192.0.2.7, 198.51.100.1",
  "192.0.2.7:443",
  "localhost",
  "01.2.3.4",
  "x".repeat(10_000),
])("%j names nobody", (field) => {
  expect(clientIdentities(10)(field)).toEqual({ name: UNKNOWN_CLIENT, address: undefined });
});

test("an event's client is an address, or not known", () => {
  expect(["192.0.2.7", "2001:db8::1", UNKNOWN_CLIENT].every(isClient)).toBe(true);
  expect(["", "somebody", "192.0.2"].some(isClient)).toBe(false);
});
