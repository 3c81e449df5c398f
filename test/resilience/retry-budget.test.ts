import fc from "fast-check";
import { expect, test } from "vitest";
import { createRetryBudget, type RetryBudget } from "../../src/resilience/retry-budget.ts";

const START_MS = 1_800_000_000_000;

/** How many can be taken at once. */
const takeAll = (allowance: RetryBudget, nowMs = START_MS): number => {
  let taken = 0;
  while (taken < 1_000 && allowance.withdraw(nowMs)) taken += 1;
  return taken;
};

const request = (allowance: RetryBudget, times: number): void => {
  for (let turn = 0; turn < times; turn += 1) allowance.deposit();
};

test("as many may be taken as there are at first, and then none", () => {
  expect(takeAll(createRetryBudget({ ratio: 0.25, max: 10, initial: 3 }))).toBe(3);
});

test("where nothing is said there are at first as many as there may ever be", () => {
  expect(takeAll(createRetryBudget({ ratio: 0.25, max: 10 }))).toBe(10);
});

test("each request adds its share, and a part of one is not enough", () => {
  const allowance = createRetryBudget({ ratio: 0.25, max: 10, initial: 0 });
  request(allowance, 3);
  expect(takeAll(allowance)).toBe(0);
  request(allowance, 1);
  expect(takeAll(allowance)).toBe(1);
  request(allowance, 20);
  expect(takeAll(allowance)).toBe(5);
});

test("each second adds something however few requests there are, and asking too early costs nothing", () => {
  const allowance = createRetryBudget({ ratio: 0, perSecond: 0.5, max: 10, initial: 1 });
  expect(allowance.withdraw(START_MS)).toBe(true);
  expect(allowance.withdraw(START_MS + 1_000)).toBe(false);
  expect(allowance.withdraw(START_MS + 2_000)).toBe(true);
  expect(takeAll(allowance, START_MS + 8_000)).toBe(3);
});

test("where nothing is said seconds add nothing", () => {
  const allowance = createRetryBudget({ ratio: 0.25, max: 10, initial: 1 });
  expect(takeAll(allowance)).toBe(1);
  expect(takeAll(allowance, START_MS + 3_600_000)).toBe(0);
});

test("however long nothing is taken, no more is saved up than the most", () => {
  const allowance = createRetryBudget({ ratio: 1, perSecond: 1, max: 4, initial: 1 });
  expect(takeAll(allowance)).toBe(1);
  request(allowance, 100);
  expect(takeAll(allowance, START_MS + 3_600_000)).toBe(4);
});

test("what is given back may be taken again", () => {
  const allowance = createRetryBudget({ ratio: 0.25, max: 2 });
  expect(takeAll(allowance)).toBe(2);
  allowance.refund();
  expect(takeAll(allowance)).toBe(1);
});

test("a clock that is set back adds nothing and takes nothing, and seconds count on from there", () => {
  const allowance = createRetryBudget({ ratio: 0, perSecond: 1, max: 10, initial: 2 });
  expect(allowance.withdraw(START_MS)).toBe(true);
  expect(takeAll(allowance, START_MS - 3_600_000)).toBe(1);
  expect(takeAll(allowance, START_MS - 3_600_000 + 3_000)).toBe(3);
});

type Step =
  | { readonly do: "request" }
  | { readonly do: "take" }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "set back"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ do: "request" }) },
  { weight: 6, arbitrary: fc.constant<Step>({ do: "take" }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(5_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("set back" as const), ms: fc.nat(10_000) }) },
);

const anyOptions = fc.record({
  ratio: fc.double({ min: 0, max: 1, noNaN: true }),
  perSecond: fc.double({ min: 0, max: 2, noNaN: true }),
  max: fc.integer({ min: 1, max: 20 }),
  initial: fc.nat(20),
});

test("in any order no more is taken than there was, than the requests' shares and than the seconds have added", () => {
  fc.assert(
    fc.property(anyOptions, fc.array(step, { maxLength: 200, size: "max" }), (options, steps) => {
      const allowance = createRetryBudget(options);
      let nowMs = START_MS;
      let bound = options.initial + 1e-6;
      let taken = 0;
      for (const each of steps) {
        if (each.do === "request") {
          allowance.deposit();
          bound += options.ratio;
        } else if (each.do === "wait") {
          nowMs += each.ms;
          bound += (options.perSecond * each.ms) / 1_000;
        } else if (each.do === "set back") nowMs -= each.ms;
        else if (allowance.withdraw(nowMs)) taken += 1;
        expect(taken).toBeLessThanOrEqual(bound);
      }
    }),
  );
});
