import { describe, expect, test } from "vitest";
import { lastStart } from "../../../src/middleware/blocklist/blocklist.ts";
import type { ClientAddress } from "../../../src/middleware/context/client.ts";

/** Records the index of every read. */
const counting = (words: readonly number[]): { starts: ArrayLike<number>; reads: number[] } => {
  const reads: number[] = [];
  const starts = new Proxy(words, {
    get: (target, key) => {
      if (typeof key === "string" && /^\d+$/.test(key)) reads.push(Number(key));
      return Reflect.get(target, key);
    },
  });
  return { starts, reads };
};

const addressOf = (...words: readonly number[]): ClientAddress => ({
  family: words.length === 1 ? 4 : 6,
  bytes: words.flatMap((word) => [word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff]),
});

const lastIpv4Start = (starts: ArrayLike<number>, word: number) => lastStart(starts, 1, addressOf(word));
const lastIpv6Start = (starts: ArrayLike<number>, ...words: [number, number, number, number]) =>
  lastStart(starts, 4, addressOf(...words));

const maxSteps = (entries: number): number => Math.ceil(Math.log2(entries + 1));

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 100, 1_023, 1_024, 100_000];

/** Positions from before the first start to after the last one, about a hundred at most. */
const probes = (size: number): number[] => {
  const step = Math.max(1, Math.floor(size / 100));
  return [0, ...Array.from({ length: Math.ceil(size / step) }, (_, index) => index * step + 1), size + 1];
};

/** The distance that spreads the starts over the whole range, including words from 2^31 on. */
const spread = (size: number): number => Math.floor(0xffff_ffff / (size + 2));

describe.each(SIZES)("among %i starts", (size) => {
  const step = spread(size);

  test("the last IPv4 start is found without a scan", () => {
    const words = Array.from({ length: size }, (_, index) => (index + 1) * step);
    for (const place of probes(size)) {
      for (const beyond of [0, 1, step - 1]) {
        const { starts, reads } = counting(words);
        expect(lastIpv4Start(starts, place * step + beyond)).toBe(Math.min(size, place) - 1);
        expect(reads.length).toBeLessThanOrEqual(maxSteps(size));
      }
    }
  });

  test.each([0, 1, 2, 3])("the last IPv6 start is found without a scan if word %i differs", (which) => {
    const wordsOf = (value: number): [number, number, number, number] => {
      const words: [number, number, number, number] = [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff];
      words[which] = value;
      return words;
    };
    const words = Array.from({ length: size }, (_, index) => wordsOf((index + 1) * step)).flat();
    for (const place of probes(size)) {
      const { starts, reads } = counting(words);
      expect(lastIpv6Start(starts, ...wordsOf(place * step))).toBe(Math.min(size, place) - 1);
      expect(reads.filter((at) => at % 4 === 0).length).toBeLessThanOrEqual(maxSteps(size));
      expect(reads.length).toBeLessThanOrEqual(4 * maxSteps(size));
    }
  });
});

test("of equal starts the last one is found", () => {
  expect(lastIpv4Start([1, 5, 5, 5, 9], 7)).toBe(3);
  expect(lastIpv6Start([0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 1, 0], 0, 0, 0, 6)).toBe(1);
});

test("IPv6 starts are ordered by their first words", () => {
  const starts = [0, 9, 9, 9, 1, 0, 9, 9, 1, 1, 0, 9, 1, 1, 1, 0];
  expect(lastIpv6Start(starts, 0, 9, 9, 8)).toBe(-1);
  expect(lastIpv6Start(starts, 1, 0, 0, 0)).toBe(0);
  expect(lastIpv6Start(starts, 1, 0, 9, 9)).toBe(1);
  expect(lastIpv6Start(starts, 1, 1, 0, 8)).toBe(1);
  expect(lastIpv6Start(starts, 1, 1, 0, 9)).toBe(2);
  expect(lastIpv6Start(starts, 2, 0, 0, 0)).toBe(3);
});
