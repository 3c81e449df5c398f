import { describe, expect, test } from "vitest";
import { parseSamples, SampleHistory } from "../../../src/local/page/samples.ts";

const NAMES = new Set(["requests_total", "duration_seconds_bucket", "level"]);

const read = (history: SampleHistory, atMs: number, text: string): void =>
  history.add({ atMs, nodes: new Map([["edge", parseSamples(text, NAMES)]]) });

test("only the named series are kept, with their labels and values", () => {
  const text = `# HELP requests_total Requests
requests_total{route="/a b{}",quote="\\"x\\""} 3
requests_total_other 9
level 1.5e3
unknown{a="b"} 1`;
  expect([...parseSamples(text, NAMES)]).toEqual([
    ["requests_total", [{ labels: { route: "/a b{}", quote: '\\"x\\"' }, value: 3 }]],
    ["level", [{ labels: {}, value: 1_500 }]],
  ]);
});

describe("of a history", () => {
  test("rates are those of the last three seconds, by labels", () => {
    const history = new SampleHistory();
    for (let second = 0; second <= 8; second += 1) {
      // Ten a second, and none any more from the fifth second on.
      const count = 10 * Math.min(second, 4);
      read(history, second * 1_000, `requests_total{status="200"} ${count}\nrequests_total{status="500"} 7`);
      if (second === 4) expect(history.perSecond("edge", "requests_total")).toBe(10);
    }
    expect(history.perSecond("edge", "requests_total")).toBe(0);
    expect(history.total("edge", "requests_total")).toBe(47);
    expect(history.total("edge", "requests_total", { status: "500" })).toBe(7);
    expect(history.total("edge", "requests_total", ({ status = "" }) => status < "300")).toBe(40);
    expect(history.total("origin 1", "requests_total")).toBe(0);
  });

  test("a process that was started again has no negative rate", () => {
    const history = new SampleHistory();
    read(history, 0, "requests_total 1000");
    read(history, 1_000, "requests_total 3");
    expect(history.perSecond("edge", "requests_total")).toBe(0);
  });

  test("quantiles are those of the increase, linear within a bucket, in milliseconds", () => {
    const history = new SampleHistory();
    const buckets = (...counts: number[]): string =>
      ["0.1", "0.2", "+Inf"]
        .map((le, index) => `duration_seconds_bucket{le="${le}"} ${counts[index]}`)
        .join("\n");
    read(history, 0, buckets(500, 500, 500));
    expect(history.quantiles("edge", "duration_seconds", {}, [0.5])).toEqual([50]);
    read(history, 1_000, buckets(500, 510, 510));
    const [median, highest] = history.quantiles("edge", "duration_seconds", {}, [0.5, 1]);
    expect([median, highest]).toEqual([expect.closeTo(150), expect.closeTo(200)]);
    read(history, 2_000, buckets(500, 510, 610));
    expect(history.quantiles("edge", "duration_seconds", {}, [0.99])).toEqual([200]);
    read(history, 30_000, buckets(500, 510, 610));
    read(history, 31_000, buckets(500, 510, 610));
    expect(history.quantiles("edge", "duration_seconds", {}, [0.99])).toEqual([null]);
  });
});
