import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { startTelemetryReceiver } from "../../../src/local/telemetry/receiver.ts";
import {
  exampleTrace,
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

const spanBody = (fields: object): object =>
  traces("a", [{ traceId: TRACE_ID, spanId: "00000000000000aa", ...fields }]);
const logsBody = (...logRecords: readonly object[]): object => ({
  resourceLogs: [{ scopeLogs: [{ logRecords }] }],
});

describe("an export", () => {
  it("joins the spans of both tiers into one trace", async () => {
    const receiver = await startReceiver(exampleTrace);
    expect(await receiver.json("/traces.json")).toEqual({
      traces: [
        {
          traceId: TRACE_ID,
          requestId: REQUEST_ID,
          name: "GET /products/:id",
          startedAt: new Date(START_MS).toISOString(),
          durationMs: 40,
          httpStatus: 200,
          services: ["breakwater-edge", "breakwater-origin"],
          spans: 5,
          errors: 1,
          isComplete: true,
        },
      ],
    });
  });

  it("can have more log records than a function takes arguments", async () => {
    const receiver = await startReceiver();
    const records = Array.from({ length: 150_000 }, () => ({}));
    const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: records }] }] });
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${receiver.url}/v1/logs`, { method: "POST", headers, body });
    expect(response.status).toBe(200);
    expect(receiver.logs.length).toBe(1_000);
  });

  it("can use any attribute name, and values that are lists or deeper", async () => {
    const receiver = await startReceiver();
    const deep = { kvlistValue: { values: [{ key: "k", value: { boolValue: true } }] } };
    const list = { arrayValue: { values: [{ stringValue: "x" }, { intValue: "7" }] } };
    const values = { KEY: { stringValue: "x" }, constructor: { doubleValue: 0.5 }, list, deep };
    const attributes = Object.entries(values).map(([key, value]) => ({ key, value }));
    const body = JSON.stringify(spanBody({ attributes }));
    await receiver.send("traces", body.replace("KEY", "__proto__"));
    const text = await receiver.text(`/traces/${TRACE_ID}.json`);
    expect(text).toContain('"attributes":{"__proto__":"x","constructor":0.5,"list":"[\\"x\\",7]","deep":"{');
  });

  it("can have ids in upper case, times as numbers, nulls and unknown fields", async () => {
    const receiver = await startReceiver();
    // opentelemetry-proto, examples/trace.json
    const response = await receiver.send(
      "traces",
      `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my.service"}}]},
        "scopeSpans":[{"scope":{"name":"my.library","version":"1.0.0"},"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C",
        "spanId":"EEE19B7EC3C1B174","parentSpanId":"EEE19B7EC3C1B173","name":"I'm a server span","kind":2,"future":{"x":[1]},
        "startTimeUnixNano":1544712660000000000,"endTimeUnixNano":1544712661000000000,"status":null}]}]}]}`,
    );
    expect(response.status).toBe(200);
    expect(receiver.traces.get(TRACE_ID)?.spans).toMatchObject([
      { spanId: "eee19b7ec3c1b174", startMs: 1_544_712_660_000, durationMs: 1_000, service: "my.service" },
    ]);
  });

  it("of log records is stored, the newest first", async () => {
    const receiver = await startReceiver();
    const observed = { observedTimeUnixNano: `${START_MS + 9}000000`, body: { intValue: "7" } };
    const timed = {
      timeUnixNano: `${START_MS}000000`,
      eventName: "security.auth_failure",
      traceId: TRACE_ID,
    };
    await receiver.send("logs", logsBody(timed, observed));
    expect(await receiver.json("/logs.json")).toMatchObject({
      logs: [
        { time: new Date(START_MS + 9).toISOString(), body: 7, service: "unknown_service" },
        { time: new Date(START_MS).toISOString(), eventName: "security.auth_failure", traceId: TRACE_ID },
      ],
    });
  });

  it.each(["traces", "metrics", "logs"] as const)("can be empty: %s", async (signal) => {
    const response = await (await startReceiver()).send(signal, {});
    expect([response.status, await response.json()]).toEqual([200, {}]);
  });
});

describe("the receiver rejects", () => {
  const SPAN = "resourceSpans[0].scopeSpans[0].spans[0]";

  it.each<[string, Signal, object | string, string]>([
    ["invalid JSON", "traces", "{", "the body is not JSON: "],
    [
      "nesting without end",
      "traces",
      `{"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
      "the body is not JSON",
    ],
    ["null", "metrics", "null", "expected object"],
    [
      "a list of another type",
      "traces",
      { resourceSpans: {} },
      "expected array, received object\n  → at resourceSpans",
    ],
    ["a span without a trace id", "traces", spanBody({ traceId: undefined }), `${SPAN}.traceId`],
    ["an id of zeros", "traces", spanBody({ spanId: "0".repeat(16) }), `${SPAN}.spanId`],
    ["an id in base64", "traces", spanBody({ traceId: "W47/95gDgQPSabYzgT/GDA==" }), `${SPAN}.traceId`],
    ["an invalid parent id", "traces", spanBody({ parentSpanId: "xyz" }), `${SPAN}.parentSpanId`],
    ["a name of another type", "traces", spanBody({ name: 5 }), `${SPAN}.name`],
    ["a time before 1970", "traces", spanBody({ startTimeUnixNano: "-1" }), `${SPAN}.startTimeUnixNano`],
    ["a time beyond 64 bits", "traces", spanBody({ endTimeUnixNano: 1e30 }), `${SPAN}.endTimeUnixNano`],
    ["points of another type", "metrics", metrics([{ sum: { dataPoints: 1 } }]), "metrics[0].sum.dataPoints"],
    ["a body that is no AnyValue", "logs", logsBody({ body: "text" }), "logRecords[0].body"],
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
    expect((await receiver.send("traces", ofSize(4 * MEBIBYTE + 1))).status).toBe(413);
  });

  it.each([
    ["GET", "/v1/traces", 405, "POST"],
    ["DELETE", "/metrics", 405, "GET, HEAD"],
    ["GET", "/nothing", 404, null],
  ])("%s %s", async (method, path, status, allow) => {
    const receiver = await startReceiver();
    const response = await fetch(receiver.url + path, { method });
    expect([response.status, response.headers.get("allow")]).toEqual([status, allow]);
  });

  it.each([
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

describe("the receiver", () => {
  it("stops while a request is arriving, and can be stopped twice", async () => {
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
    await Promise.all([receiver.stop(), receiver.stop()]);
    await closed;
    await expect(fetch(receiver.url)).rejects.toThrow();
  });

  it("stores a repeated span once, in its last version", async () => {
    const named = (name: string): object => traces("a", [span({ id: "1", name }), span({ id: "2" })]);
    const receiver = await startReceiver([named("first"), named("again")]);
    expect(receiver.traces.get(TRACE_ID)?.spans).toMatchObject([{ name: "again" }, { name: "span 2" }]);
  });
});
