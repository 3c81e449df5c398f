import { expect, test } from "vitest";
import { WindowLog } from "./window-log.ts";

type Admitted = readonly (readonly [atMs: number, tokens: number])[];

const cases: Readonly<Record<string, readonly [admitted: Admitted, most: number]>> = {
  nothing: [[], 0],
  "two bursts at an edge": [
    [
      [990, 10],
      [1_010, 10],
    ],
    20,
  ],
  "two bursts a window apart": [
    [
      [0, 10],
      [1_000, 7],
    ],
    10,
  ],
  "two bursts less than a window apart": [
    [
      [0, 10],
      [999.9, 7],
    ],
    17,
  ],
  "the fullest of many": [
    [
      [0, 1],
      [600, 4],
      [1_200, 5],
      [1_650, 2],
      [5_000, 3],
    ],
    9,
  ],
};

test.each(Object.entries(cases))("the most of any window: %s", (_, [admitted, most]) => {
  const log = new WindowLog(10, 1_000);
  for (const [atMs, tokens] of admitted) log.admit(tokens, atMs);
  expect(log.most).toBe(most);
});

test("a rejection is false if the window that ends then has room", () => {
  const log = new WindowLog(10, 1_000);
  log.admit(8, 0);
  log.refuse(3, 500);
  expect(log.falselyRefused).toBe(0);
  log.refuse(2, 500);
  expect(log.falselyRefused).toBe(1);
  log.refuse(10, 1_000);
  expect(log.falselyRefused).toBe(2);
});
