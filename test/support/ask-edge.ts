/** An edge in the test's process. */
import type { Hono } from "hono/tiny";
import type { EdgeRoutes } from "../../src/contract/edge-manifest.ts";
import { createEdge, type EdgeDeps } from "../../src/edge/app.ts";
import { readEdgeConfig } from "../../src/edge/config.ts";
import type { EdgeEnv } from "../../src/edge/env.ts";
import { createRedis } from "../../src/edge/stores/redis.ts";
import { createEdgeMetrics, type EdgeMetrics } from "../../src/edge/telemetry/metrics.ts";
import { createMetrics } from "../../src/telemetry/meter-provider.ts";
import { createMemoryStore } from "./memory-store.ts";

export type Edge = Hono<EdgeEnv>;

/** Redis while it is down: its address refuses connections. */
const noRedis = createRedis({ url: "http://127.0.0.1:9", token: "token", timeoutMs: 1_000 });

/** A Worker's context; `background` collects the work after responses. */
export const executionContext = (background: Promise<unknown>[] = []): ExecutionContextLike => ({
  waitUntil: (work) => void background.push(work),
  passThroughOnException: () => undefined,
  props: {},
});

interface ExecutionContextLike {
  waitUntil(work: Promise<unknown>): void;
  passThroughOnException(): void;
  props: object;
}

export interface EdgeOptions extends Partial<Omit<EdgeDeps, "config" | "routes">> {
  readonly routes: EdgeRoutes;
  /** In addition to every edge's required variables. */
  readonly environment: Readonly<Record<string, string>>;
  /** Called with every attempt, denied retry, and decision of a limit. */
  readonly observe?: EdgeMetrics["observe"];
}

/** A new isolate, by default without Redis and blocklist. */
export const startEdge = ({ environment, routes, observe, ...others }: EdgeOptions): Edge => {
  const reading = readEdgeConfig({
    SIGNING_KEYS: `k:${"A".repeat(43)}=`,
    UPSTASH_REDIS_REST_URL: "http://127.0.0.1:9",
    UPSTASH_REDIS_REST_TOKEN: "token",
    ...environment,
  });
  if (!reading.ok) throw new Error(reading.message);
  const shared = {
    config: reading.value,
    fetch: (input: string | URL | Request, init?: RequestInit) => fetch(input, init),
    now: () => Date.now(),
    random: () => Math.random(),
    ...others,
  };
  const metrics = createEdgeMetrics(createMetrics().meter, reading.value.ORIGINS, "1");
  return createEdge({
    routes,
    redis: noRedis,
    store: createMemoryStore(),
    log: () => undefined,
    telemetry: {
      metrics: observe === undefined ? metrics : { ...metrics, observe },
      writeLine: () => undefined,
    },
    ...shared,
  });
};

/** @param target a path, an absolute URL, or a whole request */
export const askEdge = async (
  edge: Edge,
  target: string | Request,
  init?: RequestInit,
  background?: Promise<unknown>[],
): Promise<Response> =>
  await edge.fetch(
    target instanceof Request ? target : new Request(new URL(target, "http://localhost"), init),
    {},
    executionContext(background),
  );
