import { describe, expect, it } from "vitest";
import { exampleTrace, REQUEST_ID, span, startReceiver, TRACE_ID, traces } from "./support/otlp.ts";

const traceId = (digit: string): string => digit.repeat(32);

const hostile = `<script>alert(1)</script>"'&</style><img src=x onerror=alert(2)>`;

describe("every page", () => {
  it.each([
    ["/traces", 200],
    [`/traces/${TRACE_ID}`, 200],
    [`/traces/${traceId("f")}`, 404],
    ["/nothing", 404],
  ])("%s allows only the receiver's style sheet", async (path, status) => {
    const receiver = await startReceiver(exampleTrace);
    const response = await fetch(receiver.url + path);
    expect(response.status).toBe(status);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/html; charset=UTF-8",
      "content-security-policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
    });
    expect(await response.text()).not.toMatch(/<script|<style|<img|\sstyle=|\son\w+=|javascript:/i);
  });

  it("escapes everything received", async () => {
    const attributes = { [hostile]: hostile, "http.response.status_code": hostile };
    const receiver = await startReceiver([
      traces(hostile, [span({ id: "1", name: hostile, attributes, isError: true })]),
    ]);
    for (const path of ["/traces", `/traces/${TRACE_ID}`, `/traces/${encodeURIComponent(hostile)}`]) {
      expect(await receiver.text(path)).not.toMatch(/<script|<img|<\/style>/);
    }
    expect(await receiver.text(`/traces/${TRACE_ID}`)).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  });
});

describe("the list", () => {
  it("shows the newest first, with status, duration and services, and marks errors by a word", async () => {
    const root = (digit: string, atMs: number, status: number, isError = false) =>
      span({
        ...{ id: "1", traceId: traceId(digit), name: "GET /products", atMs, durationMs: 250, isError },
        attributes: { "http.response.status_code": status },
      });
    const child = span({ id: "2", parent: "1", traceId: traceId("2"), isError: true });
    const receiver = await startReceiver([
      traces("edge", [root("1", 0, 200), root("3", 2_000, 503, true), root("2", 1_000, 404), child]),
    ]);
    const text = await receiver.text("/traces");
    const ids = ["3", "2", "1"].map(traceId);
    expect([...text.matchAll(/href="\/traces\/([0-9a-f]+)"/g)].map(([, id]) => id)).toEqual(ids);
    expect(await receiver.json("/traces.json")).toMatchObject({ traces: ids.map((id) => ({ traceId: id })) });
    expect(text.match(/✕ errors: 1</g)).toHaveLength(2);
    for (const part of ["<td>503 <span", "<td>250 ms</td>", "<td>edge</td>"]) expect(text).toContain(part);
  });

  it("says so if there is no trace yet", async () => {
    expect(await (await startReceiver()).text("/traces")).toContain("None yet: send a request");
  });
});

describe("a trace", () => {
  it("is found by its id, by the request's id and by their first 8 digits, in either case", async () => {
    const receiver = await startReceiver(exampleTrace);
    const ids = [TRACE_ID, REQUEST_ID, TRACE_ID.slice(0, 8), REQUEST_ID.slice(0, 13)];
    for (const id of ids.flatMap((each) => [each, each.toUpperCase()])) {
      expect(await receiver.text(`/traces/${id}`)).toContain(`request <code>${REQUEST_ID}</code>`);
      expect(await receiver.json(`/traces/${id}.json`)).toMatchObject({ traceId: TRACE_ID });
    }
  });

  it("shows parents before children, and each bar at its span's time, even if clocks differ", async () => {
    const receiver = await startReceiver(exampleTrace);
    const text = await receiver.text(`/traces/${TRACE_ID}`);
    const names = [...text.matchAll(/<span>(\u00a0*)([^<]*) <small>/g)];
    expect(names.map(([, indent = "", name]) => `${indent.length / 2} ${name}`)).toEqual([
      ...["0 GET /products/:id", "1 GET", "1 GET", "2 GET /products/:id", "3 SELECT products"],
    ]);
    const bars = [...text.matchAll(/<rect x="([\d.]+)%" width="([\d.]+)%"/g)];
    // Of 40 ms. By the origin's clock, its span begins before the attempt that caused it.
    expect(bars.map(([, left, width]) => [Number(left), Number(width)])).toEqual([
      [0, 100],
      [2.5, 20],
      [25, 72.5],
      [23.75, 62.5],
      [30, 8.125],
    ]);
    for (const part of ["3.25 ms", "SELECT * FROM products WHERE id = $1", "error: it broke"]) {
      expect(text).toContain(part);
    }
  });

  it("has the same spans in the same order as JSON", async () => {
    const receiver = await startReceiver(exampleTrace);
    expect(await receiver.json(`/traces/${TRACE_ID}.json`)).toMatchObject({
      ...{ traceId: TRACE_ID, requestId: REQUEST_ID, isComplete: true, errors: 1 },
      spans: [
        { spanId: "00000000000000e1", depth: 0, offsetMs: 0, service: "breakwater-edge" },
        { spanId: "00000000000000e2", depth: 1, offsetMs: 1, status: "error", kind: "client" },
        { spanId: "00000000000000e3", depth: 1, offsetMs: 10, durationMs: 29 },
        { spanId: "00000000000000b1", depth: 2, offsetMs: 9.5, service: "breakwater-origin", kind: "server" },
        { spanId: "00000000000000b2", depth: 3, offsetMs: 12, durationMs: 3.25 },
      ],
    });
  });

  it("is shown without its root span, and says so", async () => {
    const receiver = await startReceiver(exampleTrace.slice(1));
    expect(await receiver.json("/traces.json")).toMatchObject({
      traces: [{ isComplete: false, name: "GET /products/:id", durationMs: 25 }],
    });
    expect(await receiver.text("/traces")).toContain("its root span is missing");
    const text = await receiver.text(`/traces/${TRACE_ID}`);
    expect(text).toContain("A parent span is missing");
    expect(text).toContain("00000000000000e3 (missing)");
  });

  it.each([
    traceId("a"),
    "00000000-0000-4000-8000-000000000000",
    TRACE_ID.slice(0, 7),
    "constructor",
  ])("that does not exist gets 404 with possible reasons: %s", async (id) => {
    const receiver = await startReceiver(exampleTrace);
    for (const suffix of ["", ".json"]) {
      const response = await fetch(`${receiver.url}/traces/${id}${suffix}`);
      expect([response.status, await response.text()]).toEqual([404, expect.stringContaining("not sampled")]);
    }
  });
});
