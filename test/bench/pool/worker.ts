/** The edge under test: as `src/edge/worker.ts` builds it, with the benchmark's routes, without cache and log. */
import type { ExecutionContext } from "hono";
import type { Hono } from "hono/tiny";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { createEdge } from "../../../src/edge/app.ts";
import { readEdgeConfig } from "../../../src/edge/config.ts";
import type { EdgeEnv } from "../../../src/edge/env.ts";
import { createRedis } from "../../../src/edge/stores/redis.ts";
import { createEdgeMetrics } from "../../../src/edge/telemetry/metrics.ts";
import { createMetrics } from "../../../src/telemetry/meter-provider.ts";
import { routes } from "./routes.ts";

type Environment = EdgeEnv["Bindings"];

const build = (environment: Environment): Hono<EdgeEnv> => {
  const reading = readEdgeConfig(environment);
  if (!reading.ok) throw new Error(reading.message);
  const { value: config } = reading;
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = config;
  const shared = {
    config,
    fetch: (input: string | URL | Request, init?: RequestInit) => fetch(input, init),
    now: () => Date.now(),
    random: () => Math.random(),
  };
  return createEdge({
    ...shared,
    routes: edgeRoutes(routes),
    redis: createRedis({ url, token, timeoutMs: config.REDIS_TIMEOUT_MS }),
    store: { match: async () => undefined, put: async () => undefined },
    log: () => undefined,
    telemetry: {
      metrics: createEdgeMetrics(createMetrics().meter, config.ORIGINS, "1"),
      writeLine: () => undefined,
    },
  });
};

let edge: Hono<EdgeEnv> | undefined;

export default {
  fetch: (request: Request, environment: Environment, executionContext: ExecutionContext) => {
    edge ??= build(environment);
    return edge.fetch(request, environment, executionContext);
  },
};
