import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../../src/origin/config/duration.ts";
import { formatSize, parseSize } from "../../../src/origin/config/size.ts";

describe("a duration", () => {
  test.each([
    ["500ms", 500],
    ["10s", 10_000],
    ["300s", 300_000],
    ["1m30s", 90_000],
    ["1.5s", 1_500],
    ["0.1s", 100],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
    ["1d2h3m4s5ms", 93_784_005],
    ["0", 0],
    ["0s", 0],
  ])("%s is %i ms", (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each([
    "",
    "10",
    "1.5",
    "-1s",
    "1s1m",
    "1s1s",
    "s",
    "1 s",
    "1S",
    "1w",
    "1e3s",
    "1.s",
    ".5s",
    "00",
    `${"1".repeat(100)}s`,
  ])("%j is none", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test("that is printed reads back", () => {
    fc.assert(
      fc.property(fc.nat({ max: 10 * 366 * 86_400_000 }), (milliseconds) => {
        expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
      }),
    );
  });
});

describe("a size", () => {
  test.each([
    ["512KiB", 524_288],
    ["64MiB", 67_108_864],
    ["64MB", 64_000_000],
    ["1GiB", 1_073_741_824],
    ["1gb", 1_000_000_000],
    ["1 KB", 1_000],
    ["17B", 17],
  ])("%s is %i bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(["", "1", "1.5MiB", "MiB", "-1KB", "1TiB", "1iB", "1Kib/s"])("%j is none", (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  test("that is printed reads back", () => {
    const bytes = fc.oneof(
      fc.nat(),
      fc.nat({ max: 4_096 }).map((each) => each * 1024 ** 2),
      fc.nat({ max: 9 }).map((each) => each * 1e9),
    );
    fc.assert(
      fc.property(bytes, (each) => {
        expect(parseSize(formatSize(each))).toBe(each);
      }),
    );
  });
});
