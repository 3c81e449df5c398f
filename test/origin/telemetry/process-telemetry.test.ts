import { context, trace } from "@opentelemetry/api";
import { afterEach, describe, expect, test, vi } from "vitest";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../../src/local/telemetry/receiver.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import type { LogOutput } from "../../../src/origin/log/stdout.ts";
import { createProcessTelemetry } from "../../../src/origin/telemetry/process-telemetry.ts";
import { createBreaker } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { testMetrics } from "../../support/metrics.ts";
import { read, valid } from "../config/settings.ts";

const REQUEST_ID = "0190a0b4-1234-4abc-8def-0123456789ab";
const ROUTE = { method: "GET", path: "/products/:id" };

let receiver: TelemetryReceiver | undefined;
afterEach(async () => {
  await receiver?.stop();
  receiver = undefined;
});

const start = (environment: Readonly<Record<string, string>> = {}) => {
  const { value } = read({ ...valid, ...environment });
  const metrics = testMetrics();
  const lines: string[] = [];
  let drop = (_count: number): void => undefined;
  const output: LogOutput = {
    write: (line) => void lines.push(line),
    flushSync: () => undefined,
    onDrop: (listener) => {
      drop = listener;
    },
  };
  const log = createLog(value.observability.logLevel, value.observability, output);
  const warned: unknown[][] = [];
  vi.spyOn(log, "warn").mockImplementation((...of) => void warned.push(of));
  const breaker = createBreaker({}, { now: Date.now, random: Math.random });
  const telemetry = createProcessTelemetry(value, {
    meter: metrics.meter,
    log,
    output,
    breakers: { postgresql: breaker, redis: breaker },
  });
  return { telemetry, metrics, lines, warned, drop };
};

const REFUSED = {
  route: ROUTE,
  requestId: REQUEST_ID,
  cacheOutcome: undefined,
  span: undefined,
  status: 401,
  durationMs: 1,
};

describe("a process's telemetry", () => {
  test("has a measurement and a log line per request, with the service name", async () => {
    const { telemetry, metrics, lines } = start({ OTEL_SERVICE_NAME: "web-api" });
    telemetry.requests.served(REFUSED);
    expect(await metrics.text()).toMatch(/^http_server_request_duration_seconds_count\{.*\} 1$/m);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { message: "request", "service.name": "web-api", "http.response.status_code": 401 },
    ]);
  });

  test.each([
    ["it is turned off", { ACCESS_LOG: "false" }],
    ["the log level is higher", { LOG_LEVEL: "warn" }],
  ])("has no access log if %s", (_, environment) => {
    const { telemetry, lines } = start(environment);
    telemetry.requests.served(REFUSED);
    expect(lines).toEqual([]);
  });

  test("counts dropped log lines, and starts every other drop counter at 0", async () => {
    const { metrics, drop } = start();
    drop(1);
    drop(1);
    const text = await metrics.text();
    const dropped = text.split("\n").filter((line) => line.startsWith("telemetry_dropped_total{"));
    expect(dropped).toEqual([
      'telemetry_dropped_total{signal="traces",reason="queue_full"} 0',
      'telemetry_dropped_total{signal="traces",reason="export_failed"} 0',
      'telemetry_dropped_total{signal="logs",reason="queue_full"} 2',
      'telemetry_dropped_total{signal="logs",reason="export_failed"} 0',
    ]);
    expect(text).toContain('telemetry_exported_total{signal="traces"} 0');
  });

  test("measures operations of its stores too", async () => {
    const { telemetry, metrics } = start();
    telemetry.data({ system: "redis", operation: "GET" })(undefined, 2);
    expect(await metrics.text()).toMatch(
      /^db_client_operation_duration_seconds_count\{db_system_name="redis",db_operation_name="GET"\} 1$/m,
    );
  });

  test("has no spans without a collector, and nothing to send at its end", async () => {
    const { telemetry } = start({ OTEL_EXPORTER_OTLP_ENDPOINT: "" });
    await telemetry.shutdown();
  });
});

describe("a collector", () => {
  test("configured by its gRPC port is used by its HTTP port, with a warning", async () => {
    const { warned, telemetry } = start({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4317" });
    expect(warned).toEqual([[{ url: "http://collector:4318" }, expect.stringContaining("gRPC")]]);
    await telemetry.shutdown();
  });

  test("receives the spans of requests and of their operations when the process ends", async () => {
    receiver = await startTelemetryReceiver({ port: 0 });
    const { telemetry, metrics } = start({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    const edge = { parentSpanId: "00f067aa0ba902b7" };
    const received = { route: ROUTE, requestId: REQUEST_ID, edge, receivedAtMs: performance.now() };
    const span = telemetry.requests.begin(received);
    if (span === undefined) throw new Error("not sampled");
    context.with(trace.setSpan(context.active(), span), () =>
      telemetry.data({ system: "redis", operation: "GET" })(undefined, 2),
    );
    telemetry.requests.served({ ...REFUSED, span, status: 200 });
    await telemetry.shutdown();
    const spans = receiver.traces.get("0190a0b412344abc8def0123456789ab")?.spans ?? [];
    const server = spans.find(({ kind }) => kind === "server");
    expect(server).toMatchObject({ name: "GET /products/:id", parentSpanId: "00f067aa0ba902b7" });
    expect(spans.find(({ kind }) => kind === "client")).toMatchObject({
      name: "GET",
      parentSpanId: server?.spanId,
      attributes: { "db.system.name": "redis", "breakwater.breaker.state": "closed" },
    });
    expect(await metrics.text()).toContain('telemetry_exported_total{signal="traces"} 2');
  });
});
