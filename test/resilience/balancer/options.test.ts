import { expect, test } from "vitest";
import { type BalancerOptions, balancerSettings } from "../../../src/resilience/balancer/options.ts";
import { Scene } from "./support/scene.ts";

const NAMES = Object.keys(balancerSettings({})) as readonly (keyof BalancerOptions)[];

test("defaults are as documented", () => {
  expect(balancerSettings({ penaltyMs: 7 })).toEqual({
    decayMs: 10_000,
    minLatencyMs: 5,
    tolerance: 1.25,
    penaltyMs: 7,
    maxPenaltyMs: 60_000,
    sharpness: 3,
    probeIntervalMs: 10_000,
    firstProbeMs: 1_000,
    warmUpMs: 6_000,
    warmUpFrom: 0.1,
    panicIntervalMs: 100,
  });
});

test.for(
  NAMES.flatMap((name) => [0, -1, Number.NaN, Number.POSITIVE_INFINITY].map((value) => ({ name, value }))),
)("$name of $value is invalid", ({ name, value }) => {
  const create = (): unknown => new Scene([1, 1], { [name]: value });
  expect(create).toThrow(RangeError);
  expect(create).toThrow(name);
});

test.for([
  { name: "warmUpFrom", value: 1.01 },
  { name: "tolerance", value: 0.99 },
])("$name of $value is invalid", ({ name, value }) => {
  const create = (): unknown => new Scene([1, 1], { [name]: value });
  expect(create).toThrow(RangeError);
  expect(create).toThrow(name);
});

test.for([{ warmUpFrom: 1 }, { tolerance: 1 }])("%o is valid", (options) => {
  expect(balancerSettings(options)).toMatchObject(options);
});

test.for([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("a weight of %d is invalid", (weight) => {
  const create = (): unknown => new Scene([1, weight]);
  expect(create).toThrow(RangeError);
  expect(create).toThrow("weight");
});

test("invalid options of the breakers are rejected", () => {
  const create = (): unknown => new Scene([1], { breaker: { failureThreshold: 0 } });
  expect(create).toThrow(RangeError);
  expect(create).toThrow("failureThreshold");
});
