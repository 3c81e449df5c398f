/** The servers: a Worker that only forwards, the edge as deployed with several settings, and the stock stack. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import type { EdgeBundle } from "../../../src/local/edge.ts";
import type { Cores } from "../support/cores.ts";
import type { ProgramProcess } from "../support/program-process.ts";
import { startWorkerd, type WorkerdOptions } from "../support/workerd.ts";
import { emptyBlocklist, longBlocklist } from "./blocked.ts";
import { type Client, clientOf, orderRequest, SAMPLING_RATIO } from "./clients.ts";
import { bundleStock, STOCK_FLAGS, stockEnvironment } from "./stock.ts";
import { type EdgeBenchStore, publish } from "./store.ts";

/**
 * `tokens`: an edge that also accepts an issuer's tokens; `listed`: one with a long blocklist; `traced`: one that exports
 * its telemetry; `stock`: the stock stack, which exports its traces.
 */
export type ServerId = "bare" | "edge" | "tokens" | "listed" | "traced" | "stock";

export const EXPORTING = ["traced", "stock"] as const satisfies readonly ServerId[];

export const keyPrefixOf = (server: ServerId): string => `bench_${server}:`;

export interface ServerSurroundings {
  readonly bundle: EdgeBundle;
  readonly store: EdgeBenchStore;
  readonly clients: readonly Client[];
  /** The URL of the origin's stand-in. */
  readonly originUrl: string;
  /** The variables of an edge that accepts an issuer's tokens. */
  readonly tokenSettings: Readonly<Record<string, string>>;
  readonly spanSinkUrl: string;
  readonly cores: Cores;
  /** For the files of the servers. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

const bareWorker = (originUrl: string): string => `
const origin = ${JSON.stringify(originUrl)};
const names = ["accept", "accept-language", "user-agent"];
export default {
  fetch(request) {
    const { pathname, search } = new URL(request.url);
    const headers = {};
    for (const name of names) headers[name] = request.headers.get(name) ?? "";
    return fetch(origin + pathname + search, { method: request.method, headers, redirect: "manual" });
  },
};
`;

type Worker = Pick<WorkerdOptions, "name" | "script" | "environment" | "compatibilityFlags">;

const edgeWorker = async (
  server: ServerId,
  { bundle, store, clients, originUrl, tokenSettings, spanSinkUrl }: ServerSurroundings,
): Promise<Worker> => {
  const keyPrefix = keyPrefixOf(server);
  const blocklist = server === "listed" ? longBlocklist() : emptyBlocklist();
  await publish(store, { keyPrefix, clients, blocklist });
  return {
    name: `the edge (${server})`,
    script: await readFile(bundle.path, "utf8"),
    compatibilityFlags: bundle.compatibilityFlags,
    environment: {
      ORIGINS: originUrl,
      SIGNING_KEYS: `bench:${randomBytes(32).toString("base64")}`,
      UPSTASH_REDIS_REST_URL: store.bridge.url,
      UPSTASH_REDIS_REST_TOKEN: store.bridge.token,
      REDIS_KEY_PREFIX: keyPrefix,
      // The load generator shares its cores with the bridge: a late answer does not mean that Redis is down.
      REDIS_TIMEOUT_MS: "1000",
      RATE_LIMITS: "enforce",
      ...(server === "tokens" && tokenSettings),
      ...(server === "traced" && {
        OTEL_EXPORTER_OTLP_ENDPOINT: `${spanSinkUrl}/${server}`,
        OTEL_TRACES_SAMPLER_ARG: String(SAMPLING_RATIO),
      }),
    },
  };
};

const workerOf = async (server: ServerId, surroundings: ServerSurroundings): Promise<Worker> => {
  const { bundle, originUrl, spanSinkUrl } = surroundings;
  switch (server) {
    case "bare":
      return {
        name: "the bare worker",
        script: bareWorker(originUrl),
        compatibilityFlags: bundle.compatibilityFlags,
        environment: {},
      };
    case "stock":
      return {
        name: "the stock stack",
        script: await bundleStock(),
        compatibilityFlags: STOCK_FLAGS,
        environment: stockEnvironment({
          ...surroundings,
          keyPrefix: keyPrefixOf(server),
          collectorUrl: `${spanSinkUrl}/${server}`,
        }),
      };
    default:
      return await edgeWorker(server, surroundings);
  }
};

const startServerOf = async (server: ServerId, surroundings: ServerSurroundings): Promise<ProgramProcess> => {
  const { bundle, clients, cores, folder, signal } = surroundings;
  const own = join(folder, server);
  await mkdir(own);
  const first = clientOf(clients, 0);
  return await startWorkerd({
    ...(await workerOf(server, surroundings)),
    compatibilityDate: bundle.compatibilityDate,
    folder: own,
    before: cores.before,
    readyRequest: orderRequest(0, first, first.key.key),
    signal,
  });
};

export type ServerProcesses = Readonly<Record<ServerId, ProgramProcess>>;

/** @throws LocalError if a server does not start; `stops` stops those that did */
export const startServers = async (
  surroundings: ServerSurroundings,
  stops: CleanupStack,
): Promise<ServerProcesses> => {
  const start = async (server: ServerId): Promise<ProgramProcess> => {
    const process = await startServerOf(server, surroundings);
    stops.add(() => process.stop());
    return process;
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
