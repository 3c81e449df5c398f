import { describe, expect, it } from "vitest";
import { clockTime, formatLogLine } from "../../src/local/log-format.ts";
import { logLine } from "../../src/telemetry/logging/log-line.ts";

const time = "2026-11-02T03:04:05.678Z";
const clock = clockTime(new Date(time));
const ids = {
  requestId: "5b8efff7-9803-8103-d269-b633813fc60c",
  trace_id: "5b8efff798038103d269b633813fc60c",
  span_id: "eee19b7ec3c1b174",
};
const service = { "service.name": "breakwater-origin", "service.version": "1.2.3" };

const format = (entry: object, source = "origin 1", isColored = false): string =>
  formatLogLine(source, JSON.stringify(entry), isColored);

const access = {
  time,
  level: "info",
  message: "request",
  ...service,
  "http.request.method": "GET",
  "http.route": "/products/:id",
  "http.response.status_code": 200,
  durationMs: 3.2,
  ...ids,
  sampled: true,
};

describe("a request line", () => {
  it.each([
    ["of an origin", {}, "GET /products/:id 200 3.2 ms 5b8efff7"],
    ["with the cache outcome", { cache: "hit" }, "GET /products/:id 200 3.2 ms hit 5b8efff7"],
    [
      "with attempts",
      { cache: "miss", attempts: 2 },
      "GET /products/:id 200 3.2 ms miss 2 attempts 5b8efff7",
    ],
    ["with one attempt", { attempts: 1 }, "GET /products/:id 200 3.2 ms 1 attempt 5b8efff7"],
    [
      "with an error type",
      { "error.type": "timeout" },
      "GET /products/:id 200 3.2 ms error.type=timeout 5b8efff7",
    ],
    ["without a matching route", { "http.route": undefined }, "GET (no route) 200 3.2 ms 5b8efff7"],
    ["without a response", { "http.response.status_code": undefined }, "GET /products/:id - 3.2 ms 5b8efff7"],
    ["of less than the clock's resolution", { durationMs: 0 }, "GET /products/:id 200 0.0 ms 5b8efff7"],
    ["below a millisecond", { durationMs: 0.25 }, "GET /products/:id 200 250 µs 5b8efff7"],
    ["of a tenth of a second", { durationMs: 123.4 }, "GET /products/:id 200 123 ms 5b8efff7"],
    ["of many seconds", { durationMs: 12_345 }, "GET /products/:id 200 12.3 s 5b8efff7"],
    ["with only a request id", { trace_id: undefined }, "GET /products/:id 200 3.2 ms 5b8efff7"],
    ["without an id", { trace_id: undefined, requestId: undefined }, "GET /products/:id 200 3.2 ms"],
  ])("%s", (_, changed, expected) => {
    expect(format({ ...access, ...changed })).toBe(`${clock} info  origin 1 ${expected}`);
  });

  it("aligns sources", () => {
    expect(format(access, "edge")).toBe(`${clock} info  edge     GET /products/:id 200 3.2 ms 5b8efff7`);
  });
});

it("the lines of both tiers are formatted", () => {
  const line = logLine({
    time,
    level: "info",
    message: "request",
    "service.name": "breakwater-edge",
    "service.version": "1.2.3",
    "http.request.method": "GET",
    "http.route": "/products/:id",
    "http.response.status_code": 503,
    durationMs: 3.25,
    ...ids,
    sampled: false,
    cache: "miss",
    attempts: 2,
    "error.type": "503",
  });
  expect(formatLogLine("edge", line, false)).toBe(
    `${clock} info  edge     GET /products/:id 503 3.3 ms miss 2 attempts error.type=503 5b8efff7`,
  );
  const error = new TypeError("no", { cause: new Error("that") });
  const failed = logLine({ time, level: "error", message: "unhandled", ...ids, error });
  expect(formatLogLine("edge", failed, false).split("\n").slice(0, 2)).toEqual([
    `${clock} error edge     unhandled error: TypeError: no (cause: that) 5b8efff7`,
    expect.stringMatching(/^ {4}at .*log-format\.test\.ts/),
  ]);
});

describe("another line", () => {
  it.each([
    ["only a message", { level: "info", message: "listening" }, "info  origin 1 listening"],
    [
      "fields after the message, in order",
      {
        level: "warn",
        message: "circuit breaker",
        ...service,
        pid: 7,
        dependency: "redis",
        to: "open",
        n: 2,
        on: true,
      },
      "warn  origin 1 circuit breaker dependency=redis to=open n=2 on=true",
    ],
    [
      "quoted texts where necessary",
      { level: "info", message: "m", a: "two words", b: 'q"', c: "", d: "x=y", e: null, f: { g: [1] } },
      'info  origin 1 m a="two words" b="q\\"" c="" d="x=y" e=null f={"g":[1]}',
    ],
    ["the trace at the end", { level: "debug", message: "m", a: 1, ...ids }, "debug origin 1 m a=1 5b8efff7"],
    ["a number as level", { level: 35, message: "m" }, "35    origin 1 m"],
    ["no level and no message", { a: 1 }, "-     origin 1 a=1"],
    ["request as another message", { level: "info", message: "request", a: 1 }, "info  origin 1 request a=1"],
    ["a message that is not text", { level: "info", message: { a: 1 } }, 'info  origin 1 {"a":1}'],
  ])("%s", (_, entry, expected) => {
    expect(format({ time, ...entry })).toBe(`${clock} ${expected}`);
  });

  it.each([[undefined], ["soon"], [{}], [1e300]])("with %j as its time shows none", (wrong) => {
    expect(format({ time: wrong, level: "info", message: "m" })).toBe("--:--:--.--- info  origin 1 m");
  });

  it("can have its time in milliseconds", () => {
    expect(format({ time: Date.parse(time), level: "info", message: "m" })).toBe(`${clock} info  origin 1 m`);
  });
});

describe("an error", () => {
  const stack = [
    "TypeError: no\nsecond line",
    ...Array.from({ length: 9 }, (_, n) => `    at call${n} (file.ts:${n}:1)`),
  ].join("\n");
  const err = { type: "TypeError", message: "no\nsecond line", stack };
  const at = (n: number): string => `    at call${n} (file.ts:${n}:1)`;

  it.each(["error", "fatal"])("at %s is followed by the first lines of its stack", (level) => {
    expect(format({ time, level, message: "unhandled", err, ...ids }).split("\n")).toEqual([
      `${clock} ${level} origin 1 unhandled err: TypeError: no\\nsecond line 5b8efff7`,
      ...[0, 1, 2, 3, 4].map(at),
    ]);
  });

  it("at warn shows only its message", () => {
    expect(format({ time, level: "warn", message: "again", err: { ...err, type: "Error" }, n: 1 })).toBe(
      `${clock} warn  origin 1 again err: no\\nsecond line n=1`,
    );
  });

  it("that is text is an ordinary field", () => {
    expect(format({ time, level: "error", message: "m", error: "Error: no" })).toBe(
      `${clock} error origin 1 m error="Error: no"`,
    );
  });
});

describe("colors", () => {
  it.each([
    ["info", 200, "\u001b[32minfo \u001b[39m", "\u001b[32m200\u001b[39m"],
    ["warn", 404, "\u001b[33mwarn \u001b[39m", "\u001b[33m404\u001b[39m"],
    ["error", 503, "\u001b[31merror\u001b[39m", "\u001b[31m503\u001b[39m"],
  ])("mark the level %s and the status %i", (level, status, ...expected) => {
    const line = format({ ...access, level, "http.response.status_code": status }, "edge", true);
    for (const text of expected) expect(line).toContain(text);
  });

  it("do not change the text", () => {
    const colored = format({ ...access, cache: "hit" }, "edge", true);
    expect(colored.replaceAll(/\p{Cc}\[\d+m/gu, "")).toBe(format({ ...access, cache: "hit" }, "edge"));
  });
});

describe("a line's length", () => {
  it.each([
    ["a long message", { message: "m".repeat(20_000), ...ids }],
    ["a long field", { message: "m", a: "x".repeat(20_000), b: 1, ...ids }],
    [
      "many fields",
      { message: "m", ...Object.fromEntries(Array.from({ length: 900 }, (_, n) => [`f${n}`, n])), ...ids },
    ],
    ["a long level", { message: "m".repeat(900), level: "l".repeat(900), ...ids }],
    ["escaped characters", { message: "\u0007".repeat(900), ...ids }],
  ])("is bounded, and its trace id stays: %s", (_, entry) => {
    const line = format({ time, level: "info", ...entry });
    expect(line.length).toBeLessThanOrEqual(400);
    expect(line.length).toBeGreaterThan(380);
    expect(line.endsWith("5b8efff7")).toBe(true);
    const colored = format({ time, level: "info", ...entry }, "origin 1", true);
    expect(colored.replaceAll(/\p{Cc}\[\d+m/gu, "")).toBe(line);
  });

  it("is bounded in a stack trace too", () => {
    const err = { message: "m", stack: `Error: m\n    at ${"x".repeat(5_000)}` };
    const lines = format({ time, level: "error", message: "m", err }).split("\n");
    expect(lines.map(({ length }) => length <= 400)).toEqual([true, true]);
    expect(lines[1]?.length).toBe(400);
  });
});

describe("text that is not a JSON object", () => {
  const passed = (line: string): string => formatLogLine("edge", line, true);

  it.each([
    "plain text",
    "",
    "[1, 2]",
    "{not json}",
    '"text"',
    "null",
    "\tindented\tby tabs",
    "grüße 🌊",
    "{",
  ])("passes through unchanged: %s", (line) => {
    expect(passed(line)).toBe(line);
  });

  it("loses its colors", () => {
    expect(passed("\u001b[1;31mred\u001b[0m plain")).toBe("red plain");
  });

  it("is cut if it is very long", () => {
    expect(passed("x".repeat(100_000))).toBe(`${"x".repeat(1_999)}…`);
  });
});

describe("a log cannot steer the terminal:", () => {
  const steering = [
    ["the window's title", "\u001b]0;title\u0007", "\\x1b]0;title\\x07"],
    ["the screen", "\u001b[2J", "\\x1b[2J"],
    ["the screen, by C1", "\u009b2J", "\\x9b2J"],
    ["the cursor", "a\rb\bc\u007f", "a\\rb\\x08c\\x7f"],
    ["new lines", "a\nb\u2028c\u0085", "a\\nb\\u2028c\\x85"],
    ["the direction of text", "a\u202eb\u2066c", "a\\u202eb\\u2066c"],
  ] as const;

  it.each(steering)("%s, in plain text", (_, text, expected) => {
    expect(formatLogLine("edge", `x ${text}`, false)).toBe(`x ${expected}`);
  });

  it.each(steering)("%s, anywhere in an entry", (_, text, expected) => {
    const line = format(
      { time, level: text, message: text, [text]: text, err: { type: text, message: text }, trace_id: text },
      text,
    );
    expect(line).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u);
    expect(line).toContain(`err: ${expected}: ${expected}`);
    const entry = { ...access, "http.request.method": text, "http.route": text, cache: text, attempts: text };
    expect(format({ ...entry, "http.response.status_code": text })).not.toMatch(
      /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u,
    );
  });
});
