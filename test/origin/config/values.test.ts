import { expect, test } from "vitest";
import { parseDuration } from "../../../src/contract/duration.ts";
import { parseSize } from "../../../src/origin/config/values.ts";

test.each([
  ["500ms", 500],
  ["10s", 10_000],
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

const LONG = `${"1".repeat(100)}s`;

test("wrong durations are rejected", () => {
  const wrong = ["", "10", "1.5", "-1s", "s", "1 s", "1S", "1w", "1e3s", "1.s", ".5s", "00", LONG];
  for (const text of wrong) expect(parseDuration(text), text).toBeUndefined();
});

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

test("wrong sizes are rejected", () => {
  const wrong = ["", "1", "1.5MiB", "MiB", "-1KB", "1TiB", "1iB", "1Kib/s"];
  for (const text of wrong) expect(parseSize(text), text).toBeUndefined();
});
