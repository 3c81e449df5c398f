import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { startTelemetryReceiver } from "../../../src/local/telemetry/receiver.ts";
import {
  attributes,
  counter,
  exampleTrace,
  logs,
  metrics,
  REQUEST_ID,
  type Signal,
  START_MS,
  span,
  startReceiver,
  TRACE_ID,
  traces,
} from "./support/otlp.ts";

const MEBIBYTE = 1024 * 1024;

describe("an export", () => {
  it("joins the spans of both tiers into one trace", async () => {
    const receiver = await startReceiver();
    for (const body of exampleTrace) {
      const response = await receiver.send("traces", body);
      expect([response.status, await response.json()]).toEqual([200, {}]);
      expect(response.headers.get("content-type")).toBe("application/json");
    }
    expect(await receiver.json("/traces.json")).toEqual({
      traces: [
        {
          traceId: TRACE_ID,
          requestId: REQUEST_ID,
          name: "GET /products/:id",
          startedAt: new Date(START_MS).toISOString(),
          durationMs: 40,
          status: "error",
          httpStatus: 200,
          services: ["breakwater-edge", "breakwater-origin"],
          spans: 5,
          errors: 1,
          isComplete: true,
        },
      ],
    });
  });

  it("stores all fields of a span", async () => {
    const receiver = await startReceiver();
    const values = { text: "a", whole: 7, part: 0.5, yes: true, list: ["x", "y"] };
    await receiver.send(
      "traces",
      traces("edge", [
        span({ id: "a1", parent: "a0", kind: 3, durationMs: 3.25, isError: true, attributes: values }),
      ]),
    );
    expect(receiver.traces.get(TRACE_ID)?.spans).toEqual([
      {
        traceId: TRACE_ID,
        spanId: "00000000000000a1",
        parentSpanId: "00000000000000a0",
        name: "span a1",
        kind: "client",
        service: "edge",
        instance: undefined,
        startMs: START_MS,
        endMs: START_MS + 3.25,
        durationMs: 3.25,
        status: "error",
        statusMessage: "it broke",
        attributes: values,
      },
    ]);
  });

  it("can use any attribute name", async () => {
    const receiver = await startReceiver();
    const body = JSON.stringify(
      traces("edge", [span({ id: "1", attributes: { KEY: "x", constructor: "y" } })]),
    );
    await receiver.send("traces", body.replace("KEY", "__proto__"));
    expect(await receiver.text(`/traces/${TRACE_ID}.json`)).toContain(
      '"attributes":{"__proto__":"x","constructor":"y"}',
    );
  });

  it("can have ids in upper case, times as numbers, and unknown fields", async () => {
    const receiver = await startReceiver();
    // opentelemetry-proto, examples/trace.json
    const response = await receiver.send(
      "traces",
      `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my.service"}}]},
        "scopeSpans":[{"scope":{"name":"my.library","version":"1.0.0"},"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C",
        "spanId":"EEE19B7EC3C1B174","parentSpanId":"EEE19B7EC3C1B173","name":"I'm a server span","kind":2,"future":{"x":[1]},
        "startTimeUnixNano":1544712660000000000,"endTimeUnixNano":1544712661000000000}]}]}]}`,
    );
    expect(response.status).toBe(200);
    expect(receiver.traces.get(TRACE_ID)?.spans).toMatchObject([
      { spanId: "eee19b7ec3c1b174", startMs: 1_544_712_660_000, durationMs: 1_000, service: "my.service" },
    ]);
  });

  it("of security events is stored as log records", async () => {
    const receiver = await startReceiver();
    const record = {
      timeUnixNano: `${START_MS}000000`,
      observedTimeUnixNano: `${START_MS + 5}000000`,
      severityNumber: 13,
      severityText: "WARN",
      eventName: "security.auth_failure",
      traceId: TRACE_ID,
      body: { stringValue: '{"class_uid":3002}' },
      attributes: attributes({ "event.name": "security.auth_failure", "security.count": 1 }),
    };
    const observed = {
      observedTimeUnixNano: `${START_MS + 9}000000`,
      body: { intValue: [] },
    };
    const rejected = await receiver.send("logs", logs([record, observed]));
    expect([rejected.status, await rejected.json()]).toEqual([
      400,
      {
        message: expect.stringMatching(
          /^resourceLogs\[0\]\.scopeLogs\[0\]\.logRecords\[1\]\.body\.intValue: /,
        ),
      },
    ]);
    await receiver.send("logs", logs([record, { ...observed, body: { intValue: "7" } }]));
    expect(await receiver.json("/logs.json")).toEqual({
      logs: [
        {
          time: new Date(START_MS + 9).toISOString(),
          severityNumber: 0,
          severityText: "",
          eventName: "",
          body: 7,
          service: "breakwater-origin",
          attributes: {},
        },
        {
          time: new Date(START_MS).toISOString(),
          severityNumber: 13,
          severityText: "WARN",
          eventName: "security.auth_failure",
          body: '{"class_uid":3002}',
          traceId: TRACE_ID,
          service: "breakwater-origin",
          attributes: { "event.name": "security.auth_failure", "security.count": 1 },
        },
      ],
    });
  });

  it.each(["traces", "metrics", "logs"] as const)("can be empty: %s", async (signal) => {
    const receiver = await startReceiver();
    const response = await receiver.send(signal, {});
    expect([response.status, await response.json()]).toEqual([200, {}]);
  });
});

describe("the receiver rejects", () => {
  const at = (signal: string): string =>
    ({
      traces: "resourceSpans[0].scopeSpans[0].spans[0]",
      metrics: "resourceMetrics[0].scopeMetrics[0].metrics[0]",
      logs: "resourceLogs[0].scopeLogs[0].logRecords[0]",
    })[signal] ?? "";
  const good = { traceId: TRACE_ID, spanId: "00000000000000aa" };
  const deep = (levels: number): string =>
    `${'{"arrayValue":{"values":['.repeat(levels)}{"boolValue":true}${"]}}".repeat(levels)}`;

  it.each<[string, Signal, object | string, string]>([
    ["invalid JSON", "traces", "{", "the body is not JSON: "],
    ["an empty body", "logs", "", "the body is not JSON: "],
    ["an array", "traces", "[]", "the body: Invalid input: expected object"],
    ["null", "metrics", "null", "the body: Invalid input: expected object"],
    [
      "a list of another type",
      "traces",
      { resourceSpans: {} },
      "resourceSpans: Invalid input: expected array",
    ],
    [
      "an object of another type",
      "traces",
      { resourceSpans: ["x"] },
      "resourceSpans[0]: Invalid input: expected object",
    ],
    [
      "a span without a trace id",
      "traces",
      traces("a", [{ spanId: good.spanId }]),
      `${at("traces")}.traceId: must be 32 hex`,
    ],
    [
      "an id of zeros",
      "traces",
      traces("a", [{ ...good, spanId: "0".repeat(16) }]),
      `${at("traces")}.spanId: must be 16 hex`,
    ],
    [
      "an id in base64",
      "traces",
      traces("a", [{ ...good, traceId: "W47/95gDgQPSabYzgT/GDA==" }]),
      `${at("traces")}.traceId: `,
    ],
    [
      "an invalid parent id",
      "traces",
      traces("a", [{ ...good, parentSpanId: "xyz" }]),
      `${at("traces")}.parentSpanId: `,
    ],
    [
      "a name of another type",
      "traces",
      traces("a", [{ ...good, name: 5 }]),
      `${at("traces")}.name: Invalid input: expected string`,
    ],
    [
      "a kind as a name",
      "traces",
      traces("a", [{ ...good, kind: "SPAN_KIND_SERVER" }]),
      `${at("traces")}.kind: Invalid input: expected number`,
    ],
    [
      "a time before 1970",
      "traces",
      traces("a", [{ ...good, startTimeUnixNano: "-1" }]),
      `${at("traces")}.startTimeUnixNano: `,
    ],
    [
      "a time beyond 64 bits",
      "traces",
      traces("a", [{ ...good, endTimeUnixNano: 1e30 }]),
      `${at("traces")}.endTimeUnixNano: `,
    ],
    [
      "values nested too deep",
      "traces",
      JSON.stringify(traces("a", [{ ...good, attributes: [{ key: "k", value: 0 }] }])).replace(
        '"value":0',
        `"value":${deep(100_000)}`,
      ),
      "is nested deeper than 8",
    ],
    [
      "points of another type",
      "metrics",
      metrics([{ name: "s", sum: { dataPoints: 1 } }]),
      `${at("metrics")}.sum.dataPoints: Invalid input: expected array`,
    ],
    [
      "a record's body that is not an AnyValue",
      "logs",
      logs([{ body: "text" }]),
      `${at("logs")}.body: Invalid input: expected object`,
    ],
  ])("%s with the position of the error, and stores nothing", async (_, signal, body, message) => {
    const receiver = await startReceiver();
    const response = await receiver.send(signal, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ message: expect.stringContaining(message) });
    expect([receiver.traces.all().length, receiver.metrics.size, receiver.logs.length]).toEqual([0, 0, 0]);
  });

  it.each([
    ["protobuf", { "content-type": "application/x-protobuf" }],
    ["a page's form", { "content-type": "text/plain" }],
    ["compression", { "content-encoding": "gzip" }],
  ])("%s with 415 and the supported format", async (_, headers) => {
    const receiver = await startReceiver();
    const response = await receiver.send("traces", exampleTrace[0] ?? {}, headers);
    expect(response.status).toBe(415);
    expect(await response.json()).toEqual({
      message: expect.stringMatching(/^send OTLP as application\/json .*, not compressed$/),
    });
    expect(receiver.traces.all()).toEqual([]);
  });

  it("a body over 4 MiB, but not one of 4 MiB", async () => {
    const receiver = await startReceiver();
    const ofSize = (bytes: number): string => `{"x":"${"x".repeat(bytes - 8)}"}`;
    expect((await receiver.send("traces", ofSize(4 * MEBIBYTE))).status).toBe(200);
    const response = await receiver.send("traces", ofSize(4 * MEBIBYTE + 1));
    expect([response.status, await response.json()]).toEqual([
      413,
      { message: expect.stringContaining("more than 4194304 bytes") },
    ]);
  });

  it.each([
    ["GET", "/v1/traces", 405, "POST"],
    ["POST", "/", 405, "GET, HEAD"],
    ["DELETE", "/metrics", 405, "GET, HEAD"],
    ["GET", "/nothing", 404, null],
    ["POST", "/v1/traces/", 404, null],
  ])("%s %s", async (method, path, status, allow) => {
    const receiver = await startReceiver();
    const response = await fetch(receiver.url + path, { method });
    expect([response.status, response.headers.get("allow")]).toEqual([status, allow]);
  });

  it.each([
    ["evil.example", 421],
    ["evil.example:4318", 421],
    ["127.0.0.1.evil.example", 421],
    ["localhost:1", 200],
    ["[::1]:4318", 200],
  ])("other host names: %s gets %i", async (host, status) => {
    const receiver = await startReceiver();
    const sent = request(`${receiver.url}/traces.json`, { headers: { host } }).end();
    const [response] = await once(sent, "response");
    response.resume();
    expect(response.statusCode).toBe(status);
  });
});

describe("a partial success", () => {
  it("reports the metric points that Prometheus cannot express, and stores the others", async () => {
    const receiver = await startReceiver();
    const response = await receiver.send(
      "metrics",
      metrics([
        counter("kept", 1),
        {
          name: "delta",
          sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: [{ asInt: "1" }, { asInt: "2" }] },
        },
        { name: "none", gauge: { dataPoints: [{ timeUnixNano: "1" }] } },
      ]),
    );
    expect([response.status, await response.json()]).toEqual([
      200,
      { partialSuccess: { rejectedDataPoints: "3", errorMessage: "Prometheus cannot express the points" } },
    ]);
    expect(receiver.metrics.size).toBe(1);
  });
});

describe("the receiver", () => {
  it("does not listen once stopped, and can be stopped twice", async () => {
    const receiver = await startTelemetryReceiver({ port: 0 });
    expect((await fetch(receiver.url)).status).toBe(200);
    await Promise.all([receiver.stop(), receiver.stop()]);
    await expect(fetch(receiver.url)).rejects.toThrow();
  });

  it("stops while a request is arriving", async () => {
    const receiver = await startTelemetryReceiver({ port: 0 });
    const socket = connect(Number(new URL(receiver.url).port), "127.0.0.1");
    await once(socket, "connect");
    const closed = once(socket, "close");
    socket.on("error", () => undefined);
    socket.write(
      "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    );
    // After another response, the first request has been read.
    await fetch(receiver.url);
    await receiver.stop();
    await closed;
  });

  it("does not start if its port is taken", async () => {
    const { url } = await startReceiver();
    const port = Number(new URL(url).port);
    await expect(startTelemetryReceiver({ port })).rejects.toThrow("EADDRINUSE");
  });

  it("responds to HEAD without a body", async () => {
    const receiver = await startReceiver();
    const response = await fetch(receiver.url, { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });
});
