/** Breakwater's origin: the real program, with requests as the edge sends them. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { freePort } from "../../../src/local/free-port.ts";
import { startOrigin } from "../../../src/local/origin.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import type { EdgeRequest } from "../../support/signed-request.ts";
import type { Run } from "../support/bench.ts";
import { requestBatch } from "../support/request-batch.ts";
import { startServer } from "../support/server-process.ts";
import type { Services } from "../support/services.ts";
import { createSigningKeys, sealedRequest } from "./sealed-request.ts";
import {
  type Contestant,
  DATABASE_CONNECTIONS,
  hotProductIdOf,
  KINDS,
  type Kind,
  orderOf,
  productIdOf,
  traceparentOf,
} from "./workload.ts";

const signingKeys = createSigningKeys();

/** Bypasses the cache. */
export const UNCACHED = { "cache-control": "no-cache, no-store" } as const;

const edgeRequest = (kind: Kind, n: number): EdgeRequest => {
  const headers = { accept: "application/json", traceparent: traceparentOf(n) };
  switch (kind) {
    case "select":
      return { path: `/v1/products/${productIdOf(n)}`, headers: { ...headers, ...UNCACHED } };
    case "cached":
      return { path: `/v1/products/${hotProductIdOf(n)}`, headers };
    case "order":
    case "order_with_key":
      return {
        method: "POST",
        path: "/v1/orders",
        headers: { ...headers, ...(kind === "order_with_key" && { "idempotency-key": randomUUID() }) },
        json: orderOf(n),
        principal: "bench",
      };
  }
};

/** The environment of an origin on these services. */
export const originEnvironment = (services: Services, keys: string): Record<string, string> => ({
  DATABASE_URL: services.databaseUrl,
  DATABASE_MAX_CONNECTIONS: String(DATABASE_CONNECTIONS),
  REDIS_URL: services.redisUrl,
  SIGNING_KEYS: keys,
  // One process, like each peer.
  WORKERS: "1",
  ADMIN_PORT: "0",
  PRE_STOP: "0s",
});

/** Starts the origin until it has created its tables. */
export const migrate = async (services: Services, { signal }: Run): Promise<void> => {
  const origin = await startOrigin({
    name: "the origin",
    port: await freePort(),
    environment: originEnvironment(services, signingKeys),
    signal,
  });
  await origin.stop();
};

/** @param inspectorPort of Node's inspector; none by default @throws LocalError if it does not start */
export const startBreakwater = async (
  services: Services,
  run: Run,
  inspectorPort?: number,
): Promise<Contestant> => {
  const title = "Breakwater's origin";
  const port = await freePort();
  const authority = `127.0.0.1:${port}`;
  const request = (kind: Kind, n: number) => sealedRequest(signingKeys, authority, edgeRequest(kind, n));
  const process = await startServer(
    {
      name: title,
      folder: projectFolder,
      args: [
        ...(inspectorPort === undefined ? [] : [`--inspect=127.0.0.1:${inspectorPort}`]),
        join(projectFolder, "src/origin/main.ts"),
      ],
      environment: {
        ...originEnvironment(services, signingKeys),
        ORIGIN_AUTHORITIES: authority,
        OTEL_EXPORTER_OTLP_ENDPOINT: services.collector.urlOf("breakwater"),
        OTEL_TRACES_SAMPLER_ARG: "0.1",
      },
      port,
      readyRequest: () => request("select", 0),
    },
    run,
  );
  return {
    id: "breakwater",
    title,
    process,
    kinds: KINDS,
    requests: async (kind, count) => {
      const requests: string[] = [];
      for (let n = 0; n < count; n += 1) requests.push(await request(kind, n));
      return requestBatch(requests, false);
    },
  };
};
