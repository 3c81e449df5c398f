import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../../src/local/telemetry/receiver.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import type { LogOutput } from "../../../src/origin/log/stdout.ts";
import { configuredSinks } from "../../../src/origin/outbox/sinks.ts";
import { createProcessTelemetry } from "../../../src/origin/telemetry/process-telemetry.ts";
import { createBreaker } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { testMetrics } from "../../support/metrics.ts";
import { collectResources } from "../../support/resources.ts";
import { read, valid } from "../config/settings.ts";
import { PARENT_ID, requestWith, TRACE_ID } from "../middleware/request-with.ts";

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

describe("a process's telemetry", () => {
  test("measures and logs each request, with the service name", async () => {
    const { telemetry, metrics, lines } = start({ OTEL_SERVICE_NAME: "web-api", ACCESS_LOG: "all" });
    await requestWith(telemetry.requests, { path: "/closed/7" });
    expect(await metrics.text()).toMatch(/^http_server_request_duration_seconds_count\{.*\} 1$/m);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { message: "request", "service.name": "web-api", "http.response.status_code": 401 },
    ]);
  });

  test.each([
    ["it is turned off", { ACCESS_LOG: "false" }],
    ["the log level is higher", { ACCESS_LOG: "all", LOG_LEVEL: "warn" }],
    ["the request is not sampled", {}],
  ])("has no access log if %s", async (_, environment) => {
    const { telemetry, lines } = start(environment);
    await requestWith(telemetry.requests, { path: "/closed/7" });
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

  test("shuts down without a collector", async () => {
    const { telemetry } = start({ OTEL_EXPORTER_OTLP_ENDPOINT: "" });
    await telemetry.shutdown();
  });
});

describe("a collector", () => {
  test.each([
    "http://collector:4317",
    "http://collector:4318/v1/traces",
  ])("configured as %s is used at its base and the HTTP port, with a warning", async (address) => {
    const { warned, telemetry } = start({ OTEL_EXPORTER_OTLP_ENDPOINT: address });
    expect(warned).toEqual([[{ url: "http://collector:4318" }, expect.stringContaining("OTLP over HTTP")]]);
    await telemetry.shutdown();
  });

  test("receives the spans of requests and of their operations when the process ends", async () => {
    receiver = await startTelemetryReceiver({ port: 0 });
    const { telemetry, metrics } = start({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    const handle = () => {
      telemetry.data({ system: "redis", operation: "GET" })(undefined, 2);
      return new Response("done");
    };
    await requestWith(telemetry.requests, { handle });
    await telemetry.shutdown();
    const spans = receiver.traces.get(TRACE_ID)?.spans ?? [];
    const server = spans.find(({ kind }) => kind === "server");
    expect(server).toMatchObject({ name: "GET /products/:id", parentSpanId: PARENT_ID });
    expect(spans.find(({ kind }) => kind === "client")).toMatchObject({
      name: "GET",
      parentSpanId: server?.spanId,
      attributes: { "db.system.name": "redis", "breakwater.breaker.state": "closed" },
    });
    expect(await metrics.text()).toContain('telemetry_exported_total{signal="traces"} 2');
  });

  test("receives the attributes of OTEL_RESOURCE_ATTRIBUTES with spans and security events, as the log does", async () => {
    const collector = await collectResources();
    onTestFinished(collector.stop);
    const environment = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_RESOURCE_ATTRIBUTES: "team=shop%2Cweb,service.instance.id=web-1,service.name=web",
    };
    const { telemetry, lines } = start(environment);
    await requestWith(telemetry.requests, { handle: () => new Response("done") });
    await telemetry.shutdown();
    const [, otlp] = configuredSinks(read({ ...valid, ...environment }).value, createLog("silent"), Date.now);
    await otlp?.send([]);
    const attributes = "service.instance.id=web-1 service.name=web service.version=0.1.0 team=shop,web";
    expect(collector.received).toEqual([`resourceSpans: ${attributes}`, `resourceLogs: ${attributes}`]);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { "service.name": "web", team: "shop,web" },
    ]);
  });
});
