/** The edge as it is deployed, with each part of its telemetry on and off, and a bare worker under a package and without. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CleanupStack } from "../../../../src/local/cleanup-stack.ts";
import type { EdgeBundle } from "../../../../src/local/edge.ts";
import { emptyBlocklist } from "../../edge/blocked.ts";
import type { Client } from "../../edge/clients.ts";
import { type EdgeBenchStore, publish } from "../../edge/store.ts";
import type { Cores } from "../../support/cores.ts";
import type { ProgramProcess } from "../../support/program-process.ts";
import { startWorkerd } from "../../support/workerd.ts";
import type { Collector } from "../collector.ts";
import { loggingTo, startLogReader } from "../log-reader.ts";
import type { EdgeCell } from "./cells.ts";

export interface EdgeScripts {
  /** As `wrangler deploy` makes it. */
  readonly deployed: string;
  readonly withoutTelemetry: string;
  readonly bare: string;
  /** It writes a line to its console for each request. */
  readonly bareWithLine: string;
  readonly instrumented: string;
}

export interface EdgeSurroundings {
  readonly scripts: EdgeScripts;
  readonly bundle: EdgeBundle;
  readonly store: EdgeBenchStore;
  readonly clients: readonly Client[];
  /** Of the origins' stand-in. */
  readonly originUrl: string;
  readonly collector: Collector;
  readonly cores: Cores;
  /** For their files. */
  readonly folder: string;
  readonly readyRequest: string;
  readonly signal: AbortSignal;
}

export const readDeployed = ({ path }: EdgeBundle): Promise<string> => readFile(path, "utf8");

const edgeEnvironment = ({ originUrl, store }: EdgeSurroundings, keyPrefix: string) => ({
  ORIGINS: originUrl,
  SIGNING_KEYS: `bench:${randomBytes(32).toString("base64")}`,
  UPSTASH_REDIS_REST_URL: store.bridge.url,
  UPSTASH_REDIS_REST_TOKEN: store.bridge.token,
  REDIS_KEY_PREFIX: keyPrefix,
  // What measures shares its cores with the bridge: late there is not away.
  REDIS_TIMEOUT_MS: "1000",
  RATE_LIMITS: "enforce",
});

/** @throws LocalError where it does not start; `stops` holds it otherwise */
export const startCellServer = async (
  { id, title, script, settings }: EdgeCell,
  surroundings: EdgeSurroundings,
  stops: CleanupStack,
): Promise<ProgramProcess> => {
  const { scripts, bundle, store, clients, collector, cores, readyRequest, signal } = surroundings;
  const folder = join(surroundings.folder, id);
  await mkdir(folder);
  const isEdge = script === "deployed" || script === "withoutTelemetry";
  const keyPrefix = `bench_${id}:`;
  if (isEdge) await publish(store, { keyPrefix, clients, blocklist: emptyBlocklist() });
  const log = join(folder, "log");
  await startLogReader(log, stops);
  const process = await startWorkerd({
    name: title,
    script: scripts[script],
    compatibilityDate: bundle.compatibilityDate,
    compatibilityFlags: script === "instrumented" ? ["nodejs_compat"] : bundle.compatibilityFlags,
    environment: {
      ...(isEdge ? edgeEnvironment(surroundings, keyPrefix) : {}),
      ...settings(collector.urlOf(id)),
    },
    folder,
    before: [...loggingTo(log), ...cores.before],
    readyRequest,
    signal,
  });
  stops.add(() => process.stop());
  return process;
};
