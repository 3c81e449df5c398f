import { describe, expect, it } from "vitest";
import { createLogFormat } from "../../src/local/log-format.ts";
import { logLine } from "../../src/telemetry/logging/log-line.ts";

const format = createLogFormat(false);
const ids = {
  requestId: "5b8efff7-9803-8103-d269-b633813fc60c",
  trace_id: "5b8efff798038103d269b633813fc60c",
  span_id: "eee19b7ec3c1b174",
};
const time = "2026-11-02T03:04:05.678Z";
const request = {
  ...{
    time,
    level: "info",
    message: "request",
    "service.name": "breakwater-edge",
    "service.version": "1.2.3",
  },
  ...{ "http.request.method": "GET", "http.route": "/products/:id", "http.response.status_code": 503 },
  ...{ durationMs: 3.24, ...ids, sampled: false },
};
/** Without the time of day, which is local. */
const formatted = (entry: object, source = "edge"): string =>
  format(source, JSON.stringify(entry)).replace(/^\[\d\d:\d\d:05\.678\] /, "");

describe("a log line", () => {
  it.each<[string, object, string]>([
    ["a request", request, "INFO: edge     GET /products/:id 503 3.2 ms 5b8efff7"],
    [
      "a request without a route",
      { ...request, "http.route": undefined, "http.response.status_code": undefined, cache: "miss" },
      'INFO: edge     GET (no route) - 3.2 ms 5b8efff7 {"cache":"miss"}',
    ],
    [
      "another message",
      { time, level: "warn", message: "circuit breaker", pid: 7, dependency: "redis", n: 2 },
      'WARN: edge     circuit breaker {"dependency":"redis","n":2}',
    ],
  ])("shows %s", (_, entry, expected) => {
    expect(formatted(entry)).toBe(expected);
  });

  it("of either tier is followed by its error's stack", () => {
    const error = new TypeError("no", { cause: new Error("that") });
    const line = logLine({ time, level: "error", message: "unhandled", ...ids, error });
    const lines = format("origin 1", line).split("\n");
    expect(lines[0]).toMatch(/ ERROR: origin 1 unhandled 5b8efff7 ?$/);
    expect(lines.join("\n")).toMatch(/TypeError: no\n +at .*log-format\.test\.ts/);
  });

  it.each([
    "plain text",
    "",
    "[1, 2]",
    "{not json}",
    "null",
    "grüße 🌊",
  ])("that is not a JSON object passes through: %s", (line) => {
    expect(format("edge", line)).toBe(line);
  });

  it.each([
    ["the window's title", "\u001b]0;title\u0007"],
    ["the screen", "\u001b[2J"],
    ["the screen, by C1", "\u009b2J"],
    ["the cursor", "a\rb\bc\u007f"],
  ])("has no control characters for %s", (_, text) => {
    const entry = {
      ...request,
      message: text,
      [text]: text,
      err: { message: text, stack: `${text}\n at ${text}` },
    };
    for (const line of [text, JSON.stringify(entry), JSON.stringify({ ...request, "http.route": text })]) {
      expect(format("edge", line)).not.toMatch(/(?!\n)\p{Cc}/u);
    }
  });
});
