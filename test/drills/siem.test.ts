import { describe, expect, test } from "vitest";
import type { SecurityEvent } from "../../src/security-events/event.ts";
import { refused } from "../security-events/support.ts";
import { compareEvents } from "./siem.ts";

const CLIENT = "192.0.2.1";
const event = (id: string, count: number): SecurityEvent => ({
  ...refused(CLIENT, 1),
  id,
  lastAtMs: 2,
  count,
});
const caused = (count: number) => [
  { fault: "a fault", type: "rate_limit_exceeded" as const, client: CLIENT, count },
];

describe("events at the SIEM", () => {
  test("are complete if their counts reach what the clients have seen", () => {
    expect(compareEvents([event("a", 1), event("b", 9)], caused(10), 0)).toEqual({
      expected: 10,
      arrived: 10,
      missing: [],
    });
  });

  test("count once, however often they were delivered", () => {
    const { missing } = compareEvents([event("a", 1), event("b", 8), event("b", 8)], caused(10), 0);
    expect(missing).toEqual([`security events: 9 of 10 rate_limit_exceeded of ${CLIENT} in a fault`]);
  });

  test("include one for each write in the database", () => {
    expect(compareEvents([], [], 1).missing).toEqual(["security events: 0 of 1 writes of orders"]);
  });
});
