/** The receiver with the origin's exporters. */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { expect, it, onTestFinished } from "vitest";
import { otlpSink } from "../../../src/origin/outbox/sinks.ts";
import type { SecurityEvent } from "../../../src/security-events/event.ts";
import { REQUEST_ID, START_MS, startReceiver, TRACE_ID } from "./support/otlp.ts";

it("receives spans from OpenTelemetry's exporter", async () => {
  const receiver = await startReceiver();
  const exporter = new OTLPTraceExporter({ url: `${receiver.url}/v1/traces` });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": "web-api", "service.instance.id": "one" }),
    sampler: new AlwaysOnSampler(),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  onTestFinished(() => provider.shutdown());
  const tracer = provider.getTracer("test");
  const server = tracer.startSpan("GET /products/:id", {
    kind: SpanKind.SERVER,
    startTime: START_MS,
    attributes: { "http.route": "/products/:id", "http.response.status_code": 500, list: ["a", "b"] },
  });
  const inside = trace.setSpan(ROOT_CONTEXT, server);
  tracer
    .startSpan("SELECT products", { kind: SpanKind.CLIENT, startTime: START_MS + 1.5 }, inside)
    .end(START_MS + 4);
  server.setStatus({ code: SpanStatusCode.ERROR, message: "no" }).end(START_MS + 9.25);
  await provider.forceFlush();

  const { traceId, spanId } = server.spanContext();
  expect(await receiver.json(`/traces/${traceId}.json`)).toMatchObject({
    name: "GET /products/:id",
    durationMs: 9.25,
    httpStatus: 500,
    services: ["web-api"],
    spans: [
      {
        spanId,
        kind: "server",
        instance: "one",
        status: "error",
        statusMessage: "no",
        attributes: { list: '["a","b"]' },
      },
      { parentSpanId: spanId, kind: "client", depth: 1, offsetMs: 1.5, durationMs: 2.5, status: "unset" },
    ],
  });
});

it("receives the origin's security events", async () => {
  const receiver = await startReceiver();
  const event: SecurityEvent = {
    type: "auth_failure",
    id: "00000000-0000-4000-8000-000000000001",
    atMs: START_MS,
    lastAtMs: START_MS,
    count: 1,
    client: "192.0.2.1",
    route: "getProduct",
    requestId: REQUEST_ID,
    traceId: TRACE_ID,
    user: "alice",
    reason: "expired",
  };
  const service = { serviceName: "breakwater-origin", serviceVersion: "1" };
  const sink = otlpSink({ endpoint: receiver.url, ...service }, () => START_MS + 1);
  expect(await sink.send([event])).toEqual({ kind: "accepted" });
  expect(await receiver.json("/logs.json")).toMatchObject({
    logs: [
      {
        time: new Date(START_MS).toISOString(),
        severityText: "WARN",
        eventName: "security.auth_failure",
        traceId: TRACE_ID,
        service: "breakwater-origin",
        attributes: {
          "user.id": "alice",
          "client.address": "192.0.2.1",
          "breakwater.request_id": REQUEST_ID,
        },
      },
    ],
  });
});
