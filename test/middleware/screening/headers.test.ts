import { describe, expect, test } from "vitest";
import { screenHeaders } from "../../../src/middleware/screening/headers.ts";
import { isWorkerd } from "../../support/runtime.ts";

type Pairs = [string, string][];

const ordinary: Pairs = [
  ["accept", "text/html, application/json;q=0.9, */*;q=0.8"],
  ["accept-encoding", "gzip, br"],
  ["authorization", `Bearer bwk_${"a".repeat(12)}_${"b".repeat(43)}`],
  ["content-length", "12"],
  ["content-type", "application/json; charset=utf-8"],
  ["host", "api.example.com"],
  ["idempotency-key", "4b4d3c30-0000-4000-8000-000000000000"],
  ["x-tab", "a\tb"],
];

describe("ordinary header fields pass", () => {
  test.each<[string, Parameters<typeof screenHeaders>[0]]>([
    ["an array", ordinary],
    ["a map", new Map(ordinary)],
    ["Headers", new Headers(ordinary)],
    ["a generator", ordinary.values()],
    ["none", []],
  ])("in %s", (_, headers) => {
    expect(screenHeaders(headers)).toBeUndefined();
  });

  test.each<[string, string]>([
    ["authorization", 'Digest username="a", realm="b, c", uri="/", response="d"'],
    ["authorization", "Digest qop=auth, nc=00000001"],
    ["content-type", 'multipart/form-data; boundary="a,b"'],
    ["content-type", 'a/b; c="never closed, d'],
    ["authorization", "Bearer a="],
    ["idempotency-key", "a,b"],
    ["idempotency-key", '"a,b"'],
    ["accept", "a, b, c"],
    ["x-forwarded-for", "192.0.2.1, 192.0.2.2"],
  ])("%s: %s is one value", (name, value) => {
    expect(screenHeaders([[name, value]])).toBeUndefined();
  });
});

describe("a header field", () => {
  test.each([
    "a\nb",
    "a\r\nX-Other: b",
    "\0",
    "a\0",
  ])("must not contain %j: reported by its name", (value) => {
    expect(screenHeaders([...ordinary, ["x-note", value]])).toEqual({
      rule: "control_characters",
      details: "control_characters: header field x-note",
    });
  });

  test.each<[string, string]>([
    ["authorization", "Bearer a, Bearer b"],
    ["authorization", "Bearer a,Bearer b"],
    ["Authorization", "Basic YTpi, Bearer b"],
    ["authorization", "Bearer a=, Bearer b"],
    ["authorization", 'Digest username="a", Bearer b'],
    ["content-type", "application/json, text/plain"],
    ["content-length", "1, 1"],
    ["content-length", "1,2"],
    ["idempotency-key", "a, b"],
    ["idempotency-key", '"a", "b"'],
    ["host", "a.example, b.example"],
  ])("%s: %s is several values", (name, value) => {
    expect(screenHeaders([[name, value]])?.rule).toBe("duplicate_header");
  });

  test.each([
    "authorization",
    "Content-Type",
    "host",
    "content-length",
    "idempotency-key",
  ])("must not repeat if it is %s, but may if it has another name", (name) => {
    const twice: Pairs = [
      [name, "1"],
      [name.toLowerCase(), "1"],
    ];
    expect(screenHeaders(twice)?.rule).toBe("duplicate_header");
    expect(
      screenHeaders([
        [name, "1"],
        ["x".repeat(name.length), "1"],
        ["x".repeat(name.length), "2"],
      ]),
    ).toBeUndefined();
  });

  test("with an invalid name is reported by its position", () => {
    const found = screenHeaders([...ordinary, ["x note<script>", "\0"]]);
    expect(found?.details).toBe("control_characters: header field 9");
    expect(screenHeaders([["x".repeat(500), "\0"]])?.details).toBe("control_characters: header field 1");
  });
});

describe("the size of header fields", () => {
  const fields = (count: number, length: number): Pairs =>
    Array.from({ length: count }, (_, index) => [`x-${String(index).padStart(3, "0")}`, "a".repeat(length)]);

  test.each<[string, Pairs, string | undefined]>([
    ["a hundred fields", fields(100, 1), undefined],
    ["one more", fields(101, 1), "number of header fields"],
    ["a value of 8 KiB", fields(1, 8_192), undefined],
    ["one longer", fields(1, 8_193), "header field x-000"],
    ["32 KiB with the names", fields(4, 8_192 - 5), undefined],
    ["one more than that", [...fields(4, 8_192 - 5), ["a", ""]], "header fields together"],
  ])("%s", (_, headers, where) => {
    expect(screenHeaders(headers)).toEqual(
      where && { rule: "headers_too_large", details: `headers_too_large: ${where}` },
    );
  });
});

// In workerd no time passes while code runs.
describe.skipIf(isWorkerd)("the time it takes grows with a value's length, not with its square", () => {
  const bestMs = (value: string): number =>
    Math.min(
      ...Array.from({ length: 5 }, () => {
        const beganMs = performance.now();
        for (let turn = 0; turn < 50; turn += 1) screenHeaders([["authorization", value]]);
        return performance.now() - beganMs;
      }),
    );

  test.each(['"', "\\", '"\\', ',"', ", ", ",a", ",a ", ",=", "a,", "\t"])("of repeated %j", (part) => {
    const long = (length: number): string => `,${part.repeat((length - 1) / part.length)}`;
    bestMs(long(8_000));
    // Twenty times the length: quadratic work would take four hundred times as long. Below 0.05 ms the clock is too coarse.
    expect(bestMs(long(8_000)) / Math.max(0.05, bestMs(long(400)))).toBeLessThan(250);
  });
});
