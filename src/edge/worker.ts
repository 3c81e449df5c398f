/** The worker's entry: the only place at the edge that reads the environment and touches globals. */
import routes from "breakwater-edge-routes";
import { problem } from "../contract/problem.ts";
import { problemResponse } from "../middleware/problems/problem-response.ts";
import { logLine } from "../telemetry/logging/log-line.ts";
import { createEdge, type Edge } from "./app.ts";
import { readEdgeConfiguration } from "./configuration.ts";
import { createRedisClient } from "./redis-client.ts";
import { createEdgeTelemetry } from "./telemetry/telemetry.ts";

/** For the blocklist, part by part: nobody's request waits so long for it. */
const BULK_TIMEOUT_MS = 5_000;

type Environment = Readonly<Record<string, unknown>>;

const writeLine = (line: string): void => {
  // biome-ignore lint/suspicious/noConsole: the platform collects a worker's logs from its console
  console.log(line);
};

type Log = (entry: Readonly<Record<string, unknown>>) => void;

/** @param constant what every line names */
const logWith =
  (constant: Readonly<Record<string, string>>): Log =>
  (entry) =>
    writeLine(logLine({ time: new Date().toISOString(), ...entry, ...constant }));

/** The edge of an isolate, built at its first request; undefined where the configuration is wrong. */
let edge: Edge | undefined;

const build = (environment: Environment): Edge | undefined => {
  const reading = readEdgeConfiguration(environment);
  if (!reading.ok) {
    logWith({})({ level: "error", message: reading.message });
    return undefined;
  }
  const {
    UPSTASH_REDIS_REST_URL: url,
    UPSTASH_REDIS_REST_TOKEN: token,
    REDIS_TIMEOUT_MS: timeoutMs,
    OTEL_SERVICE_NAME: serviceName,
    SERVICE_VERSION: serviceVersion,
  } = reading.value;
  const outgoing: typeof fetch = (input, init) => fetch(input, init);
  const now = (): number => Date.now();
  const random = (): number => Math.random();
  return createEdge({
    configuration: reading.value,
    routes,
    redis: createRedisClient({ url, token, fetch: outgoing, timeoutMs }),
    bulkRedis: createRedisClient({ url, token, fetch: outgoing, timeoutMs: BULK_TIMEOUT_MS }),
    store: {
      match: (key) => caches.default.match(key),
      put: (key, entry) => caches.default.put(key, entry),
    },
    fetch: outgoing,
    now,
    random,
    log: logWith({ "service.name": serviceName, "service.version": serviceVersion }),
    telemetry: createEdgeTelemetry({
      configuration: reading.value,
      fetch: outgoing,
      writeLine,
      now,
      random,
    }),
  });
};

export default {
  fetch: (request, environment, context) => {
    edge ??= build(environment);
    return edge === undefined
      ? problemResponse(problem("unavailable"), crypto.randomUUID())
      : edge.fetch(request, context);
  },
} satisfies ExportedHandler<Environment>;
