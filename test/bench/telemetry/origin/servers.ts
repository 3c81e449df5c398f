/** The real origin, once for each way in which its telemetry is set, asked as the edge asks it. */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { CleanupStack } from "../../../../src/local/cleanup-stack.ts";
import { freePort } from "../../../../src/local/free-port.ts";
import { projectFolder } from "../../../../src/local/state-dir.ts";
import { parseSigningKeys, type SigningKey } from "../../../../src/middleware/signature/signing-keys.ts";
import { nodeHmac } from "../../../../src/origin/config/hmac.ts";
import { DATABASE_CONNECTIONS } from "../../origin/contestant.ts";
import { sealedRequest } from "../../origin/sealed-request.ts";
import { hotProductIdOf, productIdOf } from "../../origin/workload.ts";
import type { Cores } from "../../support/cores.ts";
import { type RequestBatch, requestBatch } from "../../support/request-batch.ts";
import { type ServerProcess, startServer } from "../../support/server-process.ts";
import type { ServiceFacts } from "../../support/services.ts";
import type { Collector } from "../collector.ts";
import { startLogReader } from "../log-reader.ts";
import { isExporting, isLogging, type OriginRoute, type OriginServer } from "./cells.ts";

const SIGNING_KEYS = `bench:${randomBytes(32).toString("base64")}`;
const WITHOUT_TELEMETRY = new URL("./without-telemetry.ts", import.meta.url).href;

/** The edge's word for it: nothing is taken from the cache, and nothing put there. */
const UNCACHED = { "cache-control": "no-cache, no-store" } as const;
const SPAN_ID_BYTES = 8;

export interface Origin {
  readonly process: ServerProcess;
  /** So many, each of which is taken once, within the next 30 s. @param sampledIn one in so many; 0: none */
  requests(route: OriginRoute, sampledIn: number, count: number): Promise<RequestBatch>;
}

export interface OriginSurroundings {
  readonly services: ServiceFacts;
  readonly collector: Collector;
  readonly cores: Cores;
  /** For the pipes of logs. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

const signingKey = (): SigningKey => {
  const keys = parseSigningKeys(SIGNING_KEYS, nodeHmac);
  if (typeof keys === "string") throw new Error(`the signing key ${keys}`);
  return keys[0];
};

const requestOf = (authority: string, route: OriginRoute, n: number, isSampled: boolean): Promise<string> => {
  const id = route === "trivial" ? hotProductIdOf(n) : productIdOf(n);
  return sealedRequest(signingKey(), authority, {
    method: "GET",
    path: `/v1/products/${id}`,
    headers: {
      accept: "application/json",
      ...(route === "trivial" ? {} : UNCACHED),
    },
    parentSpanId: isSampled ? randomBytes(SPAN_ID_BYTES).toString("hex") : undefined,
    identity: { auth: "none" },
  });
};

/**
 * @param name by which the collector knows it
 * @throws LocalError where it does not start; `stops` holds it otherwise
 */
export const startOriginServer = async (
  name: string,
  server: OriginServer,
  { services, collector, cores, folder, signal }: OriginSurroundings,
  stops: CleanupStack,
): Promise<Origin> => {
  const port = await freePort();
  const authority = `127.0.0.1:${port}`;
  const log = join(folder, name);
  await startLogReader(log, stops);
  const process = await startServer({
    name: `the origin (${name})`,
    folder: projectFolder,
    args: [
      ...(server === "none" ? ["--import", WITHOUT_TELEMETRY] : []),
      join(projectFolder, "src/origin/main.ts"),
    ],
    environment: {
      DATABASE_URL: services.databaseUrl,
      DATABASE_MAX_CONNECTIONS: String(DATABASE_CONNECTIONS),
      REDIS_URL: services.redisUrl,
      REDIS_KEY_PREFIX: services.redisKeyPrefix,
      SIGNING_KEYS,
      ORIGIN_AUTHORITIES: authority,
      WORKERS: "1",
      ADMIN_PORT: "0",
      PRE_STOP: "0s",
      ACCESS_LOG: String(isLogging(server)),
      ...(isExporting(server) ? { OTEL_EXPORTER_OTLP_ENDPOINT: collector.urlOf(name) } : {}),
    },
    port,
    before: cores.before,
    log,
    readyRequest: () => requestOf(authority, "statement", 0, false),
    signal,
  });
  stops.add(() => process.stop());
  return {
    process,
    requests: async (route, sampledIn, count) => {
      const requests: string[] = [];
      for (let n = 0; n < count; n += 1)
        requests.push(await requestOf(authority, route, n, sampledIn > 0 && n % sampledIn === 0));
      return requestBatch(requests, false);
    },
  };
};
