/** The Worker's entry: the only file of the edge that reads the environment and uses globals. */
import "./telemetry/global.ts";
import routes from "#edge-routes";
import type { Log } from "../middleware/problems/index.ts";
import { CORRECTED, collectorAddress } from "../telemetry/collector.ts";
import { logLine } from "../telemetry/logging/log-line.ts";
import { resourceOf } from "../telemetry/resource.ts";
import { createEdge, createUnavailable } from "./app.ts";
import { type EdgeConfig, edgeService, readEdgeConfig } from "./config.ts";
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

/** For the parts of the blocklist, which no request waits for. */
const BULK_TIMEOUT_MS = 5_000;

const writeLine = (line: string): void => {
  // biome-ignore lint/suspicious/noConsole: the platform collects a Worker's log from its console
  console.log(line);
};

/** @param resource fields of every line */
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
const createExporter = (
  config: EdgeConfig,
  metrics: EdgeMetrics,
  log: Log,
): TelemetryExporter | undefined => {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers = {} } = config;
  if (endpoint === undefined) return undefined;
  const { url, isCorrected } = collectorAddress(endpoint);
  if (isCorrected) log({ level: "warn", message: CORRECTED, url });
  return createTelemetryExporter({
    collect: isolateMetrics.collect,
    counts: metrics.counts,
    send: createSendTelemetry({ endpoint: url, headers, fetch: globals.fetch }),
    resource: { "service.instance.id": crypto.randomUUID(), ...resourceOf(edgeService(config)) },
    metricIntervalMs: config.OTEL_METRIC_EXPORT_INTERVAL,
    now: globals.now,
  });
};

const build = (config: EdgeConfig, bindings: EdgeEnv["Bindings"]): FetchHandler => {
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = config;
  const service = edgeService(config);
  const metrics = createEdgeMetrics(isolateMetrics.meter, config.ORIGINS, service.serviceVersion);
  const log = logWith(resourceOf(service));
  const exporter = createExporter(config, metrics, log);
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
    log,
    telemetry: { metrics, writeLine, flush: exporter?.flush },
  });
  if (exporter === undefined) return app.fetch;
  const traced = createTracedFetch({ fetch: app.fetch, bindings, exporter, service });
  const { OTEL_TRACES_SAMPLER_ARG: ratio } = config;
  return (...request) => (globals.random() < ratio ? traced(...request) : app.fetch(...request));
};

let unavailable: FetchHandler | undefined;

/** The isolate's edge, built at its first request. */
let edge: FetchHandler | undefined;

export default {
  fetch: (request, environment, executionContext) => {
    if (edge === undefined) {
      const reading = readEdgeConfig(environment);
      if (!reading.ok) {
        logWith({})({ level: "error", message: reading.message });
        unavailable ??= createUnavailable(routes).fetch;
        return unavailable(request, environment, executionContext);
      }
      for (const message of reading.warnings) logWith({})({ level: "warn", message });
      edge = build(reading.value, environment);
    }
    return edge(request, environment, executionContext);
  },
} satisfies ExportedHandler<EdgeEnv["Bindings"]>;
