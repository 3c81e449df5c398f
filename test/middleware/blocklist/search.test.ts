import { describe, expect, test } from "vitest";
import { lastIpv4Start, lastIpv6Start } from "../../../src/middleware/blocklist/search.ts";

/** Counts how often each index is read. */
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

const mostLooks = (entries: number): number => Math.ceil(Math.log2(entries + 1));

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 100, 1_023, 1_024, 100_000];

/** From below the first start to behind the last one, at most some hundred of them. */
const probes = (size: number): number[] => {
  const step = Math.max(1, Math.floor(size / 100));
  return [0, ...Array.from({ length: Math.ceil(size / step) }, (_, index) => index * step + 1), size + 1];
};

/** Spread over all of the words' range, so that those behind 2^31 are met. */
const spread = (size: number): number => Math.floor(0xffff_ffff / (size + 2));

describe.each(SIZES)("among %i starts", (size) => {
  const step = spread(size);

  test("the last IPv4 start is found without a scan", () => {
    const words = Array.from({ length: size }, (_, index) => (index + 1) * step);
    for (const place of probes(size)) {
      for (const beyond of [0, 1, step - 1]) {
        const { starts, reads } = counting(words);
        expect(lastIpv4Start(starts, place * step + beyond)).toBe(Math.min(size, place) - 1);
        expect(reads.length).toBeLessThanOrEqual(mostLooks(size));
      }
    }
  });

  test.each([0, 1, 2, 3])("the last IPv6 start is found without a scan, where word %i tells", (which) => {
    const wordsOf = (value: number): [number, number, number, number] => {
      const words: [number, number, number, number] = [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff];
      words[which] = value;
      return words;
    };
    const words = Array.from({ length: size }, (_, index) => wordsOf((index + 1) * step)).flat();
    for (const place of probes(size)) {
      const { starts, reads } = counting(words);
      expect(lastIpv6Start(starts, ...wordsOf(place * step))).toBe(Math.min(size, place) - 1);
      expect(reads.filter((at) => at % 4 === 0).length).toBeLessThanOrEqual(mostLooks(size));
      expect(reads.length).toBeLessThanOrEqual(4 * mostLooks(size));
    }
  });
});

test("of equal starts the last one is found", () => {
  expect(lastIpv4Start([1, 5, 5, 5, 9], 7)).toBe(3);
  expect(lastIpv6Start([0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 1, 0], 0, 0, 0, 6)).toBe(1);
});

test("IPv6 starts are in the order of their first words", () => {
  const starts = [0, 9, 9, 9, 1, 0, 9, 9, 1, 1, 0, 9, 1, 1, 1, 0];
  expect(lastIpv6Start(starts, 0, 9, 9, 8)).toBe(-1);
  expect(lastIpv6Start(starts, 1, 0, 0, 0)).toBe(0);
  expect(lastIpv6Start(starts, 1, 0, 9, 9)).toBe(1);
  expect(lastIpv6Start(starts, 1, 1, 0, 8)).toBe(1);
  expect(lastIpv6Start(starts, 1, 1, 0, 9)).toBe(2);
  expect(lastIpv6Start(starts, 2, 0, 0, 0)).toBe(3);
});
