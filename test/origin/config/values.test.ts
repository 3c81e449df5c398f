import { describe, expect, test } from "vitest";
import { parseDuration, parseSize } from "../../../src/origin/config/values.ts";

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
    "s",
    "1 s",
    "1S",
    "1w",
    "1e3s",
    "1.s",
    ".5s",
    "00",
    `${"1".repeat(100)}s`,
  ])("%j is rejected", (text) => {
    expect(parseDuration(text)).toBeUndefined();
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

  test.each(["", "1", "1.5MiB", "MiB", "-1KB", "1TiB", "1iB", "1Kib/s"])("%j is rejected", (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});
