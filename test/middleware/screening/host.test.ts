import { expect, test } from "vitest";
import { isPlausibleHost } from "../../../src/middleware/screening/host.ts";

test.each([
  "example.com",
  "EXAMPLE.com.",
  "api.example.com:443",
  "localhost",
  "localhost:8080",
  "my_service.namespace.svc.cluster.local",
  "192.0.2.1",
  "192.0.2.1:65535",
  "[2001:db8::1]",
  "[::1]:8080",
  "[::ffff:192.0.2.1]",
  `${"a".repeat(63)}.example`,
])("%s can be a host", (host) => {
  expect(isPlausibleHost(host)).toBe(true);
});

test.each([
  "",
  " ",
  ".",
  "a..b",
  ".a",
  "a b",
  " a",
  "a ",
  "a\n",
  "user@example.com",
  "user:password@example.com",
  "example.com:",
  "example.com:0",
  "example.com:65536",
  "example.com:123456",
  "example.com:80:80",
  "example.com:-1",
  "example.com/a",
  "example.com?a",
  "example.com#a",
  "example.com\\a",
  "a.example, b.example",
  "exämple.com",
  "%65xample.com",
  "http://example.com",
  "2001:db8::1",
  "[2001:db8::1",
  "[]",
  "[1:2]",
  "[::1]a",
  "[::1]:",
  `${"a".repeat(64)}.example`,
  "a.".repeat(200),
  "a".repeat(100_000),
])("%j can be none", (host) => {
  expect(isPlausibleHost(host)).toBe(false);
});
