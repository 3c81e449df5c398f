import { describe, expect, test, vi } from "vitest";
import { createLog } from "../../../src/origin/log/log.ts";
import { publishChange, publisher } from "../../../src/origin/snapshots/publisher.ts";

const away = new Error("away");

/** Publishes over and over: `false` stands for a round that fails. */
const toldOf = async (rounds: readonly boolean[]): Promise<string[]> => {
  const log = createLog("silent");
  const told: string[] = [];
  vi.spyOn(log, "warn").mockImplementation((_, message) => void told.push(String(message)));
  vi.spyOn(log, "info").mockImplementation((message) => void told.push(String(message)));
  const next = rounds.values();
  const publish = publisher(
    "the keys",
    async () => {
      if (next.next().value === false) throw away;
      return true;
    },
    log,
  );
  for (const _ of rounds) await publish();
  return told;
};

describe("a publisher", () => {
  test.each([
    ["nothing while all is well", [true, true], []],
    ["a failure once, however long it lasts", [false, false, false], ["the keys cannot be published"]],
    [
      "its end, and the next one's beginning",
      [false, true, true, false],
      ["the keys cannot be published", "the keys are published again", "the keys cannot be published"],
    ],
  ])("tells %s", async (_, rounds, told) => {
    expect(await toldOf(rounds)).toEqual(told);
  });
});

describe("a change", () => {
  test("that is published is said to be so", async () => {
    const print = vi.fn();
    expect(await publishChange(async () => false, print)).toBe(true);
    expect(print).not.toHaveBeenCalled();
  });

  test("that Redis cannot be told of is left to an origin", async () => {
    const print = vi.fn();
    expect(await publishChange(() => Promise.reject(away), print)).toBe(false);
    expect(print).toHaveBeenCalledExactlyOnceWith(
      "Redis cannot be reached (Error: away): an origin publishes the change as soon as it can.",
    );
  });
});
