import { expect, test } from "vitest";
import { Scene } from "./support/scene.ts";

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
