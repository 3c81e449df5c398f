/** The other stacks: their start and their requests. */
import { join } from "node:path";
import { freePort } from "../../../src/local/free-port.ts";
import type { BenchOptions, Run } from "../support/bench.ts";
import { installPeers, peersFolder } from "../support/install-peers.ts";
import { rawRequest, requestBatch } from "../support/request-batch.ts";
import { startServer } from "../support/server-process.ts";
import type { Services } from "../support/services.ts";
import {
  type Contestant,
  DATABASE_CONNECTIONS,
  hotProductIdOf,
  type Kind,
  orderOf,
  PRODUCT_COUNT,
  productIdOf,
  traceparentOf,
} from "./workload.ts";

interface Peer {
  readonly id: string;
  readonly title: string;
  /** In `peers/`. */
  readonly program: string;
  /** OpenTelemetry's instrumentations; see `telemetry.mjs`. @default without OpenTelemetry */
  readonly instrumentations?: string;
}

export const PEERS: readonly Peer[] = [
  { id: "hono", title: "bare Hono + pg", program: "hono.mjs" },
  { id: "http", title: "node:http + pg, the ceiling", program: "http.mjs" },
  { id: "express", title: "Express 5 stack", program: "express.mjs" },
  {
    id: "express_otel",
    title: "Express 5 stack + OpenTelemetry",
    program: "express.mjs",
    instrumentations: "http,express,pg",
  },
  { id: "fastify", title: "Fastify 5 stack", program: "fastify.mjs" },
  {
    id: "fastify_otel",
    title: "Fastify 5 stack + OpenTelemetry",
    program: "fastify.mjs",
    instrumentations: "http,fastify,pg",
  },
];

const HEADERS = { accept: "application/json", "user-agent": "breakwater-bench" };

const peerRequest = (kind: Kind, n: number, host: string): string => {
  const headers = { host, ...HEADERS, traceparent: traceparentOf(n) };
  switch (kind) {
    case "select":
      return rawRequest({ method: "GET", target: `/v1/products/${productIdOf(n)}`, headers });
    case "cached":
      return rawRequest({ method: "GET", target: `/cached/${hotProductIdOf(n)}`, headers });
    case "order":
    case "order_with_key": {
      const withType = { ...headers, "content-type": "application/json" };
      const body = JSON.stringify(orderOf(n));
      return rawRequest({ method: "POST", target: "/v1/orders", headers: withType, body });
    }
  }
};

/** Traces only, one in ten unless the request decides; other signals would cost them more. */
const telemetry = (instrumentations: string, collectorUrl: string): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl,
  OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
  OTEL_TRACES_SAMPLER_ARG: "0.1",
  INSTRUMENTATIONS: instrumentations,
});

const startPeer = async (peer: Peer, services: Services, run: Run): Promise<Contestant> => {
  const { id, title, program, instrumentations } = peer;
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const process = await startServer(
    {
      name: title,
      folder: peersFolder,
      args: [
        ...(instrumentations === undefined ? [] : ["--import", join(peersFolder, "telemetry.mjs")]),
        join(peersFolder, program),
      ],
      environment: {
        DATABASE_URL: services.databaseUrl,
        DATABASE_MAX_CONNECTIONS: String(DATABASE_CONNECTIONS),
        ...(instrumentations === undefined ? {} : telemetry(instrumentations, services.collector.urlOf(id))),
      },
      port,
      readyRequest: () => peerRequest("select", 0, host),
    },
    run,
  );
  return {
    id,
    title,
    process,
    kinds: ["select", "cached", "order"],
    requests: async (kind) => {
      const requests = Array.from({ length: PRODUCT_COUNT }, (_, n) => peerRequest(kind, n, host));
      return requestBatch(requests, true);
    },
  };
};

/**
 * Starts all of them, one after the other; installs them first if necessary.
 *
 * @throws LocalError if one does not start
 */
export const startBareHono = (services: Services, run: Run): Promise<Contestant> => {
  const [bare] = PEERS;
  if (bare === undefined) throw new Error("there are no peers");
  return startPeer(bare, services, run);
};

export const startPeers = async (services: Services, options: BenchOptions): Promise<Contestant[]> => {
  await installPeers(options);
  const contestants: Contestant[] = [];
  for (const peer of PEERS) contestants.push(await startPeer(peer, services, options));
  return contestants;
};
