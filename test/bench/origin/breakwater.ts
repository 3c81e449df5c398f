/** Breakwater's origin: the real program, asked as the edge asks it. */

import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { freePort } from "../../../src/local/free-port.ts";
import { startOrigin } from "../../../src/local/origin.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { parseSigningKeys, type SigningKey } from "../../../src/middleware/signature/signing-keys.ts";
import { nodeHmac } from "../../../src/origin/config/hmac.ts";
import { requestBatch } from "../support/request-batch.ts";
import { startServer } from "../support/server-process.ts";
import type { ServiceFacts } from "../support/services.ts";
import { type Contestant, DATABASE_CONNECTIONS } from "./contestant.ts";
import { type EdgeRequest, sealedRequest } from "./sealed-request.ts";
import { CELLS, type Cell, hotProductIdOf, orderOf, productIdOf, traceparentOf } from "./workload.ts";

const SIGNING_KEYS = `bench:${randomBytes(32).toString("base64")}`;
const anonymous = { auth: "none" } as const;
const customer = { auth: "api-key", principal: { id: "bench", scopes: ["orders:write"] } } as const;

/** The edge's word for it: nothing is taken from the cache, and nothing put there. */
const UNCACHED = { "cache-control": "no-cache, no-store" } as const;

const edgeRequest = (cell: Cell, n: number): EdgeRequest => {
  const headers = { accept: "application/json", traceparent: traceparentOf(n) };
  switch (cell) {
    case "select":
      return {
        method: "GET",
        path: `/v1/products/${productIdOf(n)}`,
        headers: { ...headers, ...UNCACHED },
        identity: anonymous,
      };
    case "cached":
      return { method: "GET", path: `/v1/products/${hotProductIdOf(n)}`, headers, identity: anonymous };
    case "order":
    case "order_with_key":
      return {
        method: "POST",
        path: "/v1/orders",
        headers: {
          ...headers,
          "content-type": "application/json",
          ...(cell === "order_with_key" && { "idempotency-key": randomUUID() }),
        },
        body: orderOf(n),
        identity: customer,
      };
  }
};

const signingKey = (): SigningKey => {
  const keys = parseSigningKeys(SIGNING_KEYS, nodeHmac);
  if (typeof keys === "string") throw new Error(`the signing key ${keys}`);
  return keys[0];
};

const environment = (services: ServiceFacts): Record<string, string> => ({
  DATABASE_URL: services.databaseUrl,
  DATABASE_MAX_CONNECTIONS: String(DATABASE_CONNECTIONS),
  REDIS_URL: services.redisUrl,
  REDIS_KEY_PREFIX: services.redisKeyPrefix,
  SIGNING_KEYS,
  // One process, as each opponent is.
  WORKERS: "1",
  ADMIN_PORT: "0",
  PRE_STOP: "0s",
});

/** Starts the origin for as long as it takes to make its tables. */
export const migrate = async (services: ServiceFacts, signal: AbortSignal): Promise<void> => {
  const origin = await startOrigin({
    name: "the origin",
    port: await freePort(),
    environment: environment(services),
    signal,
  });
  await origin.stop();
};

/** @throws LocalError where it does not start */
export const startBreakwater = async (services: ServiceFacts, signal: AbortSignal): Promise<Contestant> => {
  const title = "Breakwater's origin";
  const key = signingKey();
  const port = await freePort();
  const authority = `127.0.0.1:${port}`;
  const request = (cell: Cell, n: number) => sealedRequest(key, authority, edgeRequest(cell, n));
  const process = await startServer({
    name: title,
    folder: projectFolder,
    args: [join(projectFolder, "src/origin/main.ts")],
    environment: {
      ...environment(services),
      ORIGIN_AUTHORITIES: authority,
      OTEL_EXPORTER_OTLP_ENDPOINT: `${services.spanSinkUrl}/breakwater`,
      OTEL_TRACES_SAMPLER_ARG: "0.1",
    },
    port,
    readyRequest: () => request("select", 0),
    signal,
  });
  return {
    id: "breakwater",
    title,
    process,
    cells: CELLS,
    requests: async (cell, count) => {
      const requests: string[] = [];
      for (let n = 0; n < count; n += 1) requests.push(await request(cell, n));
      return requestBatch(requests, false);
    },
  };
};
