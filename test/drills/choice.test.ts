import { describe, expect, test } from "vitest";
import { drawPairs, readChoice } from "./choice.ts";
import { FAULTS, PAIRS } from "./faults.ts";

const namesOf = (args: readonly string[]): string[] => [...readChoice(args).faults].map(({ name }) => name);

/** The names of the pairs that are drawn while a drill takes a minute. */
const drawn = (seed: number, minutes: number): string[] => {
  let nowMs = 0;
  return Array.from(
    drawPairs(seed, minutes * 60_000, () => nowMs),
    ({ name }) => {
      nowMs += 60_000;
      return name;
    },
  );
};

describe("the choice of drills", () => {
  test("takes faults by name, in the order given", () => {
    expect(namesOf(["redis-killed", "edge-restarted"])).toEqual(["redis-killed", "edge-restarted"]);
  });

  test("takes two faults at once, the store's first", () => {
    expect(namesOf(["origin-killed+redis-frozen"])).toEqual(["redis-frozen+origin-killed"]);
  });

  test("takes all faults", () => {
    expect(namesOf(["--all"])).toEqual(FAULTS.map(({ name }) => name));
  });

  test.each([
    [["nothing"], "there is no fault nothing"],
    [["redis-killed+redis-frozen"], "redis-killed+redis-frozen cannot be there together"],
    [["redis-killed+edge-restarted+siem-away"], "cannot be there together"],
    [["--all", "--seed", "1.5"], "--seed 1.5: use a whole number"],
    [["--minutes", "0"], "--minutes 0: use a whole number"],
    [[], "npm run drill -- NAME"],
  ])("%j is rejected", (args, message) => {
    expect(() => readChoice(args)).toThrow(message);
  });
});

describe("pairs of faults", () => {
  test("touch different parts", () => {
    for (const [one, other] of PAIRS)
      expect(one.parts.filter((part) => other.parts.includes(part))).toEqual([]);
  });

  test("are the same for a seed, and others for another", () => {
    expect(drawn(7, 10)).toHaveLength(10);
    expect(drawn(7, 10)).toEqual(drawn(7, 10));
    expect(drawn(7, 10)).not.toEqual(drawn(8, 10));
  });
});
