import { expect, test } from "vitest";
import { editDistance, nearest } from "../../../src/origin/config/unknown-key.ts";

test.each([
  ["", "", 0],
  ["ttl", "ttl", 0],
  ["ttl", "", 3],
  ["cash", "cache", 2],
  ["prot", "port", 2],
  ["hst", "host", 1],
  ["kitten", "sitting", 3],
])("%j and %j are %i changes apart", (a, b, distance) => {
  expect([editDistance(a, b), editDistance(b, a)]).toEqual([distance, distance]);
});

test.each([
  ["prot", "port"],
  ["drain-timeout", "drain_timeout"],
  ["maxConnections", "max_connections"],
  ["minconnection", "min_connections"],
  ["zebra", undefined],
])("the nearest name to %s is %s", (name, meant) => {
  expect(nearest(name, ["host", "port", "drain_timeout", "max_connections", "min_connections"])).toBe(meant);
});
