import { describe, expect, test } from "vitest";
import { limitKeys } from "../../../src/middleware/rate-limit/limit-key.ts";
import { limitOf } from "./support/scene.ts";

const limitKey = limitKeys(2);
const perClient = limitOf({ name: "reads", per: "client" });
const perPrincipal = limitOf({ name: "writes", per: "principal" });
const bucketOf = (address: string): string => limitKey(perClient, { address, principal: undefined }).bucket;

describe("a limit per principal", () => {
  test("is the principal's, wherever it comes from, and can be overridden", () => {
    const key = limitKey(perPrincipal, { address: "192.0.2.1", principal: "alice" });
    expect(key).toEqual({ bucket: "writes:p:alice", overrideField: "writes:alice" });
  });

  test("is the client's where there is no principal", () => {
    const key = limitKey(perPrincipal, { address: "192.0.2.1", principal: undefined });
    expect(key).toEqual({ bucket: "writes:c:192.0.2.1", overrideField: undefined });
  });

  test("cannot be taken for a client's by its name", () => {
    const named = limitKey(perPrincipal, { address: "::1", principal: "192.0.2.1" });
    expect(named.bucket).not.toBe(
      limitKey(perPrincipal, { address: "192.0.2.1", principal: undefined }).bucket,
    );
  });
});

describe("a limit per client", () => {
  test("is the address's, whoever asks", () => {
    expect(limitKey(perClient, { address: "192.0.2.1", principal: "alice" })).toEqual({
      bucket: "reads:c:192.0.2.1",
      overrideField: undefined,
    });
  });

  test.each([
    ["another address within a /64", "2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"],
    ["another way to write it", "2001:DB8:0:0::1", "2001:db8::1"],
    ["IPv4 mapped into IPv6", "::ffff:192.0.2.1", "192.0.2.1"],
    ["IPv4 mapped into IPv6, in hexadecimal", "::ffff:c000:201", "192.0.2.1"],
  ])("is the same for %s", (_, one, other) => {
    expect(bucketOf(one)).toBe(bucketOf(other));
  });

  test("is another one's in the /64 beside it", () => {
    expect(bucketOf("2001:db8:1:2::1")).not.toBe(bucketOf("2001:db8:1:3::1"));
  });

  test.each([
    "",
    "unknown",
    "x".repeat(10_000),
  ])("is of somebody and short, whatever stands for the address", (text) => {
    expect(bucketOf(text)).toMatch(/^reads:c:\?.{0,64}$/);
  });
});
