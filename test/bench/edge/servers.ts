/** The servers: a Worker that only forwards, the edge as deployed with several settings, and the stock stack. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { EdgeBundle } from "../../../src/local/edge.ts";
import type { Run } from "../support/bench.ts";
import type { Collector } from "../support/collector.ts";
import type { Cores } from "../support/cores.ts";
import type { ServerProcess } from "../support/server-process.ts";
import type { BenchStore } from "../support/store.ts";
import { bareWorker } from "../support/worker-scripts.ts";
import { startWorkerd, type WorkerdOptions } from "../support/workerd.ts";
import { emptyBlocklist, longBlocklist } from "./blocked.ts";
import { type Client, clientOf, orderRequest, SAMPLING_RATIO } from "./clients.ts";
import { publish } from "./published.ts";
import { bundleStock, STOCK_FLAGS, stockEnvironment } from "./stock.ts";

/**
 * `tokens`: an edge that also accepts an issuer's tokens; `listed`: one with a long blocklist; `traced`: one that exports
 * its telemetry; `stock`: the stock stack, which exports its traces.
 */
export type ServerId = "bare" | "edge" | "tokens" | "listed" | "traced" | "stock";

export const EXPORTING: readonly ServerId[] = ["traced", "stock"];

export const keyPrefixOf = (server: ServerId): string => `bench_${server}:`;

export interface ServerSurroundings {
  readonly bundle: EdgeBundle;
  readonly store: BenchStore;
  readonly clients: readonly Client[];
  /** The URL of the origin's stand-in. */
  readonly originUrl: string;
  /** The variables of an edge that accepts an issuer's tokens. */
  readonly tokenSettings: Readonly<Record<string, string>>;
  readonly collector: Collector;
  readonly cores: Cores;
  /** For the files of the servers. */
  readonly folder: string;
}

/** The variables of every edge. */
export const edgeEnvironment = ({ bridge }: BenchStore, originUrl: string, keyPrefix: string) => ({
  ORIGINS: originUrl,
  SIGNING_KEYS: `bench:${randomBytes(32).toString("base64")}`,
  UPSTASH_REDIS_REST_URL: bridge.url,
  UPSTASH_REDIS_REST_TOKEN: bridge.token,
  REDIS_KEY_PREFIX: keyPrefix,
  // The load generator shares its cores with the bridge: a late answer does not mean that Redis is down.
  REDIS_TIMEOUT_MS: "1000",
  RATE_LIMITS: "enforce",
});

type Worker = Pick<WorkerdOptions, "script" | "environment" | "compatibilityFlags">;

const workerOf = async (server: ServerId, surroundings: ServerSurroundings): Promise<Worker> => {
  const { bundle, store, clients, originUrl, tokenSettings, collector } = surroundings;
  const { compatibilityFlags } = bundle;
  const keyPrefix = keyPrefixOf(server);
  if (server === "bare") return { script: bareWorker(originUrl), compatibilityFlags, environment: {} };
  if (server === "stock") {
    const collectorUrl = collector.urlOf(server);
    return {
      script: await bundleStock(),
      compatibilityFlags: STOCK_FLAGS,
      environment: stockEnvironment({ store, clients, originUrl, keyPrefix, collectorUrl }),
    };
  }
  const blocklist = server === "listed" ? longBlocklist() : emptyBlocklist();
  await publish(store, { keyPrefix, clients, blocklist });
  return {
    script: await readFile(bundle.path, "utf8"),
    compatibilityFlags,
    environment: {
      ...edgeEnvironment(store, originUrl, keyPrefix),
      ...(server === "tokens" && tokenSettings),
      ...(server === "traced" && {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.urlOf(server),
        OTEL_TRACES_SAMPLER_ARG: String(SAMPLING_RATIO),
      }),
    },
  };
};

/** @throws LocalError if a server does not start */
export const startServers = async (
  surroundings: ServerSurroundings,
  run: Run,
): Promise<Readonly<Record<ServerId, ServerProcess>>> => {
  const { bundle, clients, cores } = surroundings;
  const first = clientOf(clients, 0);
  const start = async (server: ServerId): Promise<ServerProcess> => {
    const folder = join(surroundings.folder, server);
    await mkdir(folder);
    return await startWorkerd(
      {
        ...(await workerOf(server, surroundings)),
        name: `the Worker "${server}"`,
        compatibilityDate: bundle.compatibilityDate,
        folder,
        before: cores.before,
        readyRequest: orderRequest(0, first, first.key.key),
      },
      run,
    );
  };
  return {
    bare: await start("bare"),
    edge: await start("edge"),
    tokens: await start("tokens"),
    listed: await start("listed"),
    traced: await start("traced"),
    stock: await start("stock"),
  };
};
