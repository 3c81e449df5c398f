/** The servers: a worker that does nothing but pass a request on, and the edge as it is deployed, several times. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import type { EdgeBundle } from "../../../src/local/edge-bundle.ts";
import type { Cores } from "../support/cores.ts";
import type { ProgramProcess } from "../support/program-process.ts";
import { startWorkerd } from "../support/workerd.ts";
import { emptyBlocklist, longBlocklist } from "./blocked.ts";
import { type Client, clientOf, orderRequest } from "./clients.ts";
import { type EdgeBenchStore, publish } from "./store.ts";

/** `tokens`: the edge that takes an issuer's tokens too; `listed`: the one with a long blocklist. */
export type ServerId = "bare" | "edge" | "tokens" | "listed";

export const keyPrefixOf = (server: ServerId): string => `bench_${server}:`;

export interface ServerSurroundings {
  readonly bundle: EdgeBundle;
  readonly store: EdgeBenchStore;
  readonly clients: readonly Client[];
  /** Of the origins' stand-in. */
  readonly originUrl: string;
  /** Where an issuer's tokens are taken. */
  readonly tokenSettings: Readonly<Record<string, string>>;
  readonly cores: Cores;
  /** For their files. */
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

const startServerOf = async (
  server: ServerId,
  { bundle, store, clients, originUrl, tokenSettings, cores, folder, signal }: ServerSurroundings,
): Promise<ProgramProcess> => {
  const own = join(folder, server);
  await mkdir(own);
  const keyPrefix = keyPrefixOf(server);
  const isEdge = server !== "bare";
  if (isEdge) {
    const blocklist = server === "listed" ? longBlocklist() : emptyBlocklist();
    await publish(store, { keyPrefix, clients, blocklist });
  }
  const first = clientOf(clients, 0);
  return await startWorkerd({
    name: isEdge ? `the edge (${server})` : "the bare worker",
    script: isEdge ? await readFile(bundle.path, "utf8") : bareWorker(originUrl),
    compatibilityDate: bundle.compatibilityDate,
    compatibilityFlags: bundle.compatibilityFlags,
    environment: isEdge
      ? {
          ORIGINS: originUrl,
          SIGNING_KEYS: `bench:${randomBytes(32).toString("base64")}`,
          UPSTASH_REDIS_REST_URL: store.bridge.url,
          UPSTASH_REDIS_REST_TOKEN: store.bridge.token,
          REDIS_KEY_PREFIX: keyPrefix,
          // What measures shares its cores with the bridge: late there is not away.
          REDIS_TIMEOUT_MS: "1000",
          RATE_LIMITS: "enforce",
          ...(server === "tokens" && tokenSettings),
        }
      : {},
    folder: own,
    before: cores.before,
    readyRequest: orderRequest(0, first, first.key.key),
    signal,
  });
};

export type ServerProcesses = Readonly<Record<ServerId, ProgramProcess>>;

/** @throws LocalError where one does not start; `stops` holds those that have */
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
  };
};
