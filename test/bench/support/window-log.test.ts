import { expect, test } from "vitest";
import { WindowLog } from "./window-log.ts";

const logOf = (admitted: readonly (readonly [atMs: number, tokens: number])[]): WindowLog => {
  const log = new WindowLog(10, 1_000);
  for (const [atMs, tokens] of admitted) log.admit(tokens, atMs);
  return log;
};

test.each([
  { title: "nothing", admitted: [], most: 0 },
  {
    title: "two bursts at an edge",
    admitted: [
      [990, 10],
      [1_010, 10],
    ],
    most: 20,
  },
  {
    title: "two bursts a window apart",
    admitted: [
      [0, 10],
      [1_000, 7],
    ],
    most: 10,
  },
  {
    title: "two bursts less than a window apart",
    admitted: [
      [0, 10],
      [999.9, 7],
    ],
    most: 17,
  },
  {
    title: "the fullest of many",
    admitted: [
      [0, 1],
      [600, 4],
      [1_200, 5],
      [1_650, 2],
      [5_000, 3],
    ],
    most: 9,
  },
] as const)("the most of any window: $title", ({ admitted, most }) => {
  expect(logOf(admitted).most).toBe(most);
});

test("refused falsely is what the window that ends then has room for", () => {
  const log = logOf([[0, 8]]);
  log.refuse(3, 500);
  expect(log.falselyRefused).toBe(0);
  log.refuse(2, 500);
  expect(log.falselyRefused).toBe(1);
  log.refuse(10, 1_000);
  expect(log.falselyRefused).toBe(2);
});
