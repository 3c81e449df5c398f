import { describe, expect, test } from "vitest";
import { heapShare } from "../../../src/origin/lifecycle/primary.ts";

describe("a worker's heap", () => {
  test.each([
    [704, 2, 352],
    [4_288.9, 3, 1_429],
    [100, 64, 64],
  ])("is an equal share, including the young generation: %d MiB by %d", (limitMiB, count, shareMiB) => {
    expect(heapShare(limitMiB, count, [], "").execArgv).toEqual([`--max-heap-size=${shareMiB}`]);
  });

  test.each([
    [["--max-old-space-size=512"]],
    [["--max_old_space_size=512"]],
    [["--max-old-space-size-percentage=50"]],
    [["--max-old-space-size-percentage", "50"]],
    [["--max_old_space_size_percentage", "50"]],
    [["--max-heap-size=512"]],
  ])("replaces the option of the primary: %j", (options) => {
    const around = ["--import", "a.ts", ...options, "--enable-source-maps"];
    const share = heapShare(512, 2, around, around.join(" "));
    expect(share.execArgv).toEqual(["--import", "a.ts", "--enable-source-maps", "--max-heap-size=256"]);
    expect(share.nodeOptions).toBe("--import a.ts --enable-source-maps");
  });

  test("leaves other options unchanged, even quoted ones", () => {
    const options = '--import "/a  b/c.ts" --max-semi-space-size=32';
    expect(heapShare(512, 2, [], options).nodeOptions).toBe(options);
    expect(heapShare(512, 2, [], "").nodeOptions).toBe("");
  });
});
