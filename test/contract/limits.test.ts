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
    policy: { auth: "public", limit: limits },
  });

test("the contract's own limits agree with each other", () => {
  expect(limitsOf(contract).size).toBeGreaterThan(0);
});

describe("limits of one name", () => {
  test("are one limit, of which a request may cost more or only count", () => {
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

describe("a limit is refused", () => {
  test.each([
    ["whose name holds a colon", { name: "a:b" }, "is named by lower-case letters, digits and hyphens alone"],
    ["without a name", { name: "" }, "is named by"],
    ["with no capacity", { capacity: 0 }, "has a capacity within 1 and 1000000000"],
    ["with part of a token", { capacity: 1.5 }, "has a capacity within"],
    ["that is never refilled", { refillPerSecond: 0 }, "refills more than 0 and at most 1000000 a second"],
    ["that is refilled by nobody knows what", { refillPerSecond: Number.NaN }, "refills more than 0"],
    [
      "that takes longer than a year",
      { capacity: 1_000, refillPerSecond: 1e-6 },
      "is not full again within a year",
    ],
    ["that costs nothing", { cost: 0 }, "costs a whole number, at least 1 and at most its capacity"],
    ["that costs more than there is", { cost: 11 }, "costs a whole number"],
  ])("%s", (_, wrong, why) => {
    expect(() => routeWith({ ...limit, ...wrong })).toThrow(why);
  });

  test("that a route names twice", () => {
    expect(() => routeWith(limit, limit)).toThrow('the limit "reads" is named twice');
  });

  test("where there are more than one round trip should ask for", () => {
    const many = Array.from({ length: 9 }, (_, index) => ({ ...limit, name: `reads-${index}` }));
    expect(() => routeWith(...many)).toThrow("a route has at most 8 limits");
  });
});
