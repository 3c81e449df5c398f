/** The exporters of both tiers, and OpenTelemetry's own. */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { JsonMetricsSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { expect, it, onTestFinished } from "vitest";
import { otlpSink } from "../../../src/origin/outbox/sinks.ts";
import type { SecurityEvent } from "../../../src/security-events/event.ts";
import { createMetrics, SCOPE } from "../../../src/telemetry/meter-provider.ts";
import { REQUEST_ID, START_MS, startReceiver, TRACE_ID } from "./support/otlp.ts";

it("receives from OpenTelemetry's own exporter", async () => {
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

it("receives the edge's metrics", async () => {
  const receiver = await startReceiver();
  const { meter, collect } = createMetrics();
  meter
    .createHistogram("http.server.request.duration", {
      unit: "s",
      advice: { explicitBucketBoundaries: [0.1, 1] },
    })
    .record(0.25, { "http.route": "/products/:id" });
  meter.createCounter("cache.requests").add(3, { "http.route": "/products/:id", outcome: "hit" });
  meter
    .createObservableGauge("circuit_breaker.state")
    .addCallback((result) => result.observe(1, { outcome: "open" }));
  const body = JsonMetricsSerializer.serializeRequest({
    resource: resourceFromAttributes({ "service.name": "breakwater-edge", "service.instance.id": "one" }),
    scopeMetrics: [{ scope: SCOPE, metrics: [...(await collect())] }],
  });
  const response = await receiver.send("metrics", JSON.parse(new TextDecoder().decode(body)));
  expect([response.status, await response.json()]).toEqual([200, {}]);
  const text = await receiver.text("/metrics");
  const own = 'job="breakwater-edge",instance="one"';
  for (const line of [
    "# TYPE cache_requests_total counter",
    `cache_requests_total{http_route="/products/:id",outcome="hit",${own}} 3`,
    `circuit_breaker_state{outcome="open",${own}} 1`,
    `http_server_request_duration_seconds_bucket{http_route="/products/:id",${own},le="0.1"} 0`,
    `http_server_request_duration_seconds_bucket{http_route="/products/:id",${own},le="1"} 1`,
    `http_server_request_duration_seconds_sum{http_route="/products/:id",${own}} 0.25`,
  ]) {
    expect(text.split("\n")).toContain(line);
  }
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
