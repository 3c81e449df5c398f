/** Workers in workerd: the edge as deployed with several settings, and Workers to compare it with. */
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
import { startWorkerd } from "../support/workerd.ts";
import { emptyBlocklist, longBlocklist } from "./blocked.ts";
import { type Client, SAMPLING_RATIO } from "./clients.ts";
import { publish } from "./published.ts";
import { bundleStock, STOCK_FLAGS, stockEnvironment } from "./stock.ts";

export interface WorkerOptions {
  readonly id: string;
  readonly script: string;
  /** On top of the variables of every edge, if it is one. */
  readonly environment: Readonly<Record<string, string>>;
  /** An edge's blocklist, compiled. @default it is no edge */
  readonly blocklist?: Uint8Array<ArrayBuffer>;
  /** @default the edge's */
  readonly compatibilityFlags?: string[];
  /** Receives its console's output. @default /dev/null */
  readonly log?: string;
}

export interface EdgeStage {
  readonly bundle: EdgeBundle;
  readonly store: BenchStore;
  readonly clients: readonly Client[];
  /** The URL of the origin's stand-in. */
  readonly originUrl: string;
  readonly collector: Collector;
  readonly cores: Cores;
  /** For the files of the servers. */
  readonly folder: string;
  readonly readyRequest: string;
  /** The server to profile. @default none */
  readonly inspected?: { readonly id: string; readonly port: number } | undefined;
}

export const keyPrefixOf = (id: string): string => `bench_${id}:`;

/** The variables of every edge. */
const edgeEnvironment = ({ store, originUrl }: EdgeStage, keyPrefix: string) => ({
  ORIGINS: originUrl,
  SIGNING_KEYS: `bench:${randomBytes(32).toString("base64")}`,
  UPSTASH_REDIS_REST_URL: store.bridge.url,
  UPSTASH_REDIS_REST_TOKEN: store.bridge.token,
  REDIS_KEY_PREFIX: keyPrefix,
  // The load generator shares its cores with the bridge: a late answer does not mean that Redis is down.
  REDIS_TIMEOUT_MS: "1000",
  RATE_LIMITS: "enforce",
});

/** @throws LocalError if it does not start */
export const startWorker = async (
  { id, script, environment, blocklist, compatibilityFlags, log }: WorkerOptions,
  stage: EdgeStage,
  run: Run,
): Promise<ServerProcess> => {
  const { bundle, store, clients, cores, readyRequest, inspected } = stage;
  const folder = join(stage.folder, id);
  await mkdir(folder, { recursive: true });
  const keyPrefix = keyPrefixOf(id);
  if (blocklist !== undefined) await publish(store, { keyPrefix, clients, blocklist });
  return await startWorkerd(
    {
      name: `the Worker "${id}"`,
      script,
      compatibilityDate: bundle.compatibilityDate,
      compatibilityFlags: compatibilityFlags ?? bundle.compatibilityFlags,
      environment: { ...(blocklist && edgeEnvironment(stage, keyPrefix)), ...environment },
      folder,
      before: cores.before,
      ...(log === undefined ? {} : { log }),
      ...(inspected?.id === id ? { inspectorPort: inspected.port } : {}),
      readyRequest,
    },
    run,
  );
};

/**
 * `tokens`: an edge that also accepts an issuer's tokens; `listed`: one with a long blocklist; `traced`: one that exports
 * its telemetry; `stock`: the stock stack, which exports its traces.
 */
export type ServerId = "bare" | "edge" | "tokens" | "listed" | "traced" | "stock";

export const EXPORTING: readonly ServerId[] = ["traced", "stock"];

/**
 * The servers of `npm run bench edge`.
 *
 * @param tokenSettings the variables of an edge that accepts an issuer's tokens
 * @throws LocalError if a server does not start
 */
export const startServers = async (
  stage: EdgeStage,
  tokenSettings: Readonly<Record<string, string>>,
  run: Run,
): Promise<Readonly<Record<ServerId, ServerProcess>>> => {
  const { bundle, originUrl, collector } = stage;
  const deployed = await readFile(bundle.path, "utf8");
  const start = (id: ServerId, options: Omit<WorkerOptions, "id">) =>
    startWorker({ id, ...options }, stage, run);
  const edge = (id: ServerId, environment: WorkerOptions["environment"], blocklist = emptyBlocklist()) =>
    start(id, { script: deployed, environment, blocklist });
  return {
    bare: await start("bare", { script: bareWorker(originUrl), environment: {} }),
    edge: await edge("edge", {}),
    tokens: await edge("tokens", tokenSettings),
    listed: await edge("listed", {}, longBlocklist()),
    traced: await edge("traced", {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.urlOf("traced"),
      OTEL_TRACES_SAMPLER_ARG: String(SAMPLING_RATIO),
    }),
    stock: await start("stock", {
      script: await bundleStock(),
      compatibilityFlags: STOCK_FLAGS,
      environment: stockEnvironment(stage, keyPrefixOf("stock")),
    }),
  };
};
