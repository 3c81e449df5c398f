/** The worker's entry: the only file at the edge that reads the environment and touches globals. */
import "./telemetry/global.ts";
import routes from "breakwater-edge-routes";
import { problem } from "../contract/problem.ts";
import { type Log, problemResponse } from "../middleware/problems/index.ts";
import { collectorAddress } from "../telemetry/collector.ts";
import { logLine } from "../telemetry/logging/log-line.ts";
import { createEdge } from "./app.ts";
import { type EdgeConfig, readEdgeConfig } from "./config.ts";
import type { EdgeEnv } from "./env.ts";
import { createRedis } from "./stores/redis.ts";
import {
  createSendTelemetry,
  createTelemetryExporter,
  type TelemetryExporter,
} from "./telemetry/exporter.ts";
import { isolateMetrics } from "./telemetry/global.ts";
import { createEdgeMetrics, type EdgeMetrics } from "./telemetry/metrics.ts";
import { createTracedFetch, type FetchHandler } from "./telemetry/tracing.ts";

/** For the blocklist's parts, which no request waits for. */
const BULK_TIMEOUT_MS = 5_000;

const writeLine = (line: string): void => {
  // biome-ignore lint/suspicious/noConsole: the platform collects a worker's logs from its console
  console.log(line);
};

/** @param resource what every line names */
const logWith =
  (resource: Readonly<Record<string, string>>): Log =>
  (entry) =>
    writeLine(logLine({ time: new Date().toISOString(), ...entry, ...resource }));

const globals = {
  fetch: (input: RequestInfo | URL, init?: RequestInit) => fetch(input, init),
  now: () => Date.now(),
  random: () => Math.random(),
};

/** Undefined if no collector is configured. */
const createExporter = (config: EdgeConfig, metrics: EdgeMetrics): TelemetryExporter | undefined => {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers = {} } = config;
  if (endpoint === undefined) return undefined;
  return createTelemetryExporter({
    collect: isolateMetrics.collect,
    counts: metrics.counts,
    send: createSendTelemetry({ endpoint: collectorAddress(endpoint).url, headers, fetch: globals.fetch }),
    resource: {
      "service.name": config.OTEL_SERVICE_NAME,
      "service.version": config.SERVICE_VERSION,
      "service.instance.id": crypto.randomUUID(),
    },
    metricIntervalMs: config.OTEL_METRIC_EXPORT_INTERVAL,
    now: globals.now,
  });
};

const build = (config: EdgeConfig, bindings: EdgeEnv["Bindings"]): FetchHandler => {
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = config;
  const metrics = createEdgeMetrics(isolateMetrics.meter, config.ORIGINS);
  const exporter = createExporter(config, metrics);
  const service = { name: config.OTEL_SERVICE_NAME, version: config.SERVICE_VERSION };
  const app = createEdge({
    ...globals,
    config,
    routes,
    redis: createRedis({ url, token, timeoutMs: config.REDIS_TIMEOUT_MS }),
    bulkRedis: createRedis({ url, token, timeoutMs: BULK_TIMEOUT_MS }),
    store: {
      match: (key) => caches.default.match(key),
      put: (key, entry) => caches.default.put(key, entry),
    },
    log: logWith({ "service.name": service.name, "service.version": service.version }),
    telemetry: { metrics, writeLine, flush: exporter?.flush },
  });
  if (exporter === undefined) return app.fetch;
  const traced = createTracedFetch({ fetch: app.fetch, bindings, exporter, service });
  const { OTEL_TRACES_SAMPLER_ARG: ratio } = config;
  return (...request) => (globals.random() < ratio ? traced(...request) : app.fetch(...request));
};

const unavailable: FetchHandler = () => problemResponse(problem("unavailable"), crypto.randomUUID());

/** The isolate's edge, built at its first request. */
let edge: FetchHandler | undefined;

export default {
  fetch: (request, environment, executionContext) => {
    if (edge === undefined) {
      const reading = readEdgeConfig(environment);
      if (!reading.ok) {
        logWith({})({ level: "error", message: reading.message });
        return unavailable(request, environment, executionContext);
      }
      edge = build(reading.value, environment);
    }
    return edge(request, environment, executionContext);
  },
} satisfies ExportedHandler<EdgeEnv["Bindings"]>;
