/** The worker's entry: the only file at the edge that reads the environment and touches globals. */
import routes from "breakwater-edge-routes";
import type { Hono } from "hono/tiny";
import { problem } from "../contract/problem.ts";
import type { Log } from "../middleware/problems/index.ts";
import { problemResponse } from "../middleware/problems/problem-response.ts";
import { logLine } from "../telemetry/logging/log-line.ts";
import { createEdge } from "./app.ts";
import { readEdgeConfig } from "./config.ts";
import type { EdgeEnv } from "./env.ts";
import { createRedis } from "./stores/redis.ts";
import { createEdgeTelemetry } from "./telemetry/telemetry.ts";

/** For the blocklist's parts, which no request waits for. */
const BULK_TIMEOUT_MS = 5_000;

type Environment = EdgeEnv["Bindings"];

const writeLine = (line: string): void => {
  // biome-ignore lint/suspicious/noConsole: the platform collects a worker's logs from its console
  console.log(line);
};

/** @param resource what every line names */
const logWith =
  (resource: Readonly<Record<string, string>>): Log =>
  (entry) =>
    writeLine(logLine({ time: new Date().toISOString(), ...entry, ...resource }));

/** The isolate's edge, built at its first request; undefined if the configuration is invalid. */
let edge: Hono<EdgeEnv> | undefined;

const build = (environment: Environment): Hono<EdgeEnv> | undefined => {
  const reading = readEdgeConfig(environment);
  if (!reading.ok) {
    logWith({})({ level: "error", message: reading.message });
    return undefined;
  }
  const { value: config } = reading;
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = config;
  const shared = {
    config,
    fetch: (input: RequestInfo | URL, init?: RequestInit) => fetch(input, init),
    now: () => Date.now(),
    random: () => Math.random(),
  };
  return createEdge({
    ...shared,
    routes,
    redis: createRedis({ url, token, timeoutMs: config.REDIS_TIMEOUT_MS }),
    bulkRedis: createRedis({ url, token, timeoutMs: BULK_TIMEOUT_MS }),
    store: {
      match: (key) => caches.default.match(key),
      put: (key, entry) => caches.default.put(key, entry),
    },
    log: logWith({
      "service.name": config.OTEL_SERVICE_NAME,
      "service.version": config.SERVICE_VERSION,
    }),
    telemetry: createEdgeTelemetry({ ...shared, writeLine }),
  });
};

export default {
  fetch: (request, environment, executionContext) => {
    edge ??= build(environment);
    return edge === undefined
      ? problemResponse(problem("unavailable"), crypto.randomUUID())
      : edge.fetch(request, environment, executionContext);
  },
} satisfies ExportedHandler<Environment>;
