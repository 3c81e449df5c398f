import { describe, expect, test } from "vitest";
import { contract } from "../../src/contract/contract.ts";
import type { Limit } from "../../src/contract/policy.ts";
import { ContractError, defineRoute, limitsOf } from "../../src/contract/route.ts";

const limit: Limit = {
  name: "reads",
  capacity: 10,
  refillPerSecond: 1,
  per: "client",
  onStoreFailure: "local",
};

const routeWith = (...limits: Limit[]) =>
  defineRoute({
    method: "GET",
    path: "/a",
    summary: "A route",
    tag: "Test",
    responses: { 200: { description: "Done" } },
    policy: { auth: { scopes: ["read"] }, limit: limits },
  });

test("the contract's own limits agree with each other", () => {
  expect(limitsOf(contract).size).toBeGreaterThan(0);
});

describe("limits of one name", () => {
  test("are one limit, even with other costs or as a dry run", () => {
    const limits = limitsOf({
      a: routeWith(limit),
      b: routeWith({ ...limit, cost: 5, dryRun: true, strict: false }),
    });
    expect([...limits.values()]).toEqual([limit]);
  });

  test.each([
    { capacity: 11 },
    { refillPerSecond: 2 },
    { per: "principal" },
    { strict: true },
    { onStoreFailure: "open" },
  ] as const)("with another %o contradict each other", (other) => {
    const routes = { a: routeWith(limit), b: routeWith({ ...limit, ...other }) };
    expect(() => limitsOf(routes)).toThrow(
      new ContractError(`GET /a: the limit reads has another ${Object.keys(other)[0]} elsewhere`),
    );
  });
});

describe("a limit is rejected", () => {
  test.each([
    [
      "with a colon in its name",
      { name: "a:b" },
      "must be named with lower-case letters, digits and hyphens",
    ],
    ["without a name", { name: "" }, "must be named with"],
    ["without capacity", { capacity: 0 }, "must have a capacity within 1 and 1000000000"],
    ["with a fraction of a token", { capacity: 1.5 }, "must have a capacity within"],
    ["without a refill", { refillPerSecond: 0 }, "must refill more than 0 and at most 1000000 per second"],
    ["with a refill that is not a number", { refillPerSecond: Number.NaN }, "must refill more than 0"],
    [
      "that refills too slowly",
      { capacity: 1_000, refillPerSecond: 1e-6 },
      "must refill completely within a year",
    ],
    ["without a cost", { cost: 0 }, "must cost a whole number, from 1 to its capacity"],
    ["with a cost above its capacity", { cost: 11 }, "must cost a whole number"],
  ])("%s", (_, change, why) => {
    expect(() => routeWith({ ...limit, ...change })).toThrow(why);
  });

  test("that occurs twice", () => {
    expect(() => routeWith(limit, limit)).toThrow('the limit "reads" occurs twice');
  });

  test("if there are too many for one round trip", () => {
    const many = Array.from({ length: 9 }, (_, index) => ({ ...limit, name: `reads-${index}` }));
    expect(() => routeWith(...many)).toThrow("a route has at most 8 limits");
  });
});
