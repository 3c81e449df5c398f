import fc from "fast-check";
import { expect, test } from "vitest";
import { createRetryBudget, type RetryBudget } from "../../src/resilience/retries.ts";

const START_MS = 1_800_000_000_000;

/** Number of successful withdrawals at once. */
const withdrawAll = (budget: RetryBudget, nowMs = START_MS): number => {
  let withdrawn = 0;
  while (withdrawn < 1_000 && budget.withdraw(nowMs)) withdrawn += 1;
  return withdrawn;
};

const deposit = (budget: RetryBudget, times: number): void => {
  for (let turn = 0; turn < times; turn += 1) budget.deposit();
};

test("the initial balance can be withdrawn, and no more", () => {
  expect(withdrawAll(createRetryBudget({ ratio: 0.25, max: 10, initial: 3 }))).toBe(3);
});

test("each request deposits a fraction, and only whole retries can be withdrawn", () => {
  const budget = createRetryBudget({ ratio: 0.25, max: 10, initial: 0 });
  deposit(budget, 3);
  expect(withdrawAll(budget)).toBe(0);
  deposit(budget, 1);
  expect(withdrawAll(budget)).toBe(1);
  deposit(budget, 20);
  expect(withdrawAll(budget)).toBe(5);
});

test("each second deposits a fraction without any requests, and a failed withdrawal costs nothing", () => {
  const budget = createRetryBudget({ ratio: 0, perSecond: 0.5, max: 10, initial: 1 });
  expect(budget.withdraw(START_MS)).toBe(true);
  expect(budget.withdraw(START_MS + 1_000)).toBe(false);
  expect(budget.withdraw(START_MS + 2_000)).toBe(true);
  expect(withdrawAll(budget, START_MS + 8_000)).toBe(3);
});

test("a refund can be withdrawn again", () => {
  const budget = createRetryBudget({ ratio: 0.25, max: 2 });
  expect(withdrawAll(budget)).toBe(2);
  budget.refund();
  expect(withdrawAll(budget)).toBe(1);
});

test("a clock that is set back leaves the balance, and time counts on from there", () => {
  const budget = createRetryBudget({ ratio: 0, perSecond: 1, max: 10, initial: 2 });
  expect(budget.withdraw(START_MS)).toBe(true);
  expect(withdrawAll(budget, START_MS - 3_600_000)).toBe(1);
  expect(withdrawAll(budget, START_MS - 3_600_000 + 3_000)).toBe(3);
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

test("in any order of calls, withdrawals never exceed the initial balance plus all deposits", () => {
  fc.assert(
    fc.property(anyOptions, fc.array(step, { maxLength: 200, size: "max" }), (options, steps) => {
      const budget = createRetryBudget(options);
      let nowMs = START_MS;
      let bound = options.initial + 1e-6;
      let withdrawn = 0;
      for (const each of steps) {
        if (each.do === "request") {
          budget.deposit();
          bound += options.ratio;
        } else if (each.do === "wait") {
          nowMs += each.ms;
          bound += (options.perSecond * each.ms) / 1_000;
        } else if (each.do === "set back") nowMs -= each.ms;
        else if (budget.withdraw(nowMs)) withdrawn += 1;
        expect(withdrawn).toBeLessThanOrEqual(bound);
      }
    }),
  );
});
