/** The edge under test: as `src/edge/worker.ts` builds it, with the benchmark's routes, without a cache and a log. */
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { createEdge, type Edge } from "../../../src/edge/app.ts";
import { readEdgeConfiguration } from "../../../src/edge/configuration.ts";
import { createRedisClient } from "../../../src/edge/redis-client.ts";
import { routes } from "./routes.ts";

type Environment = Readonly<Record<string, unknown>>;

const REDIS_TIMEOUT_MS = 150;

const build = (environment: Environment): Edge => {
  const reading = readEdgeConfiguration(environment);
  if (!reading.ok) throw new Error(reading.message);
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = reading.value;
  const outgoing: typeof fetch = (input, init) => fetch(input, init);
  return createEdge({
    configuration: reading.value,
    routes: edgeRoutes(routes),
    redis: createRedisClient({ url, token, fetch: outgoing, timeoutMs: REDIS_TIMEOUT_MS }),
    store: { match: async () => undefined, put: async () => undefined },
    fetch: outgoing,
    now: () => Date.now(),
    random: () => Math.random(),
    log: () => undefined,
  });
};

let edge: Edge | undefined;

export default {
  fetch: (request: Request, environment: Environment): Promise<Response> => {
    edge ??= build(environment);
    return edge.fetch(request);
  },
};
