/** The edge as deployed and without telemetry, and a bare Worker with a package for telemetry and without. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Plugin } from "esbuild";
import type { EdgeBundle } from "../../../src/local/edge.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { emptyBlocklist } from "../edge/blocked.ts";
import type { Client } from "../edge/clients.ts";
import { publish } from "../edge/published.ts";
import { edgeEnvironment } from "../edge/servers.ts";
import type { Run } from "../support/bench.ts";
import type { Collector } from "../support/collector.ts";
import type { Cores } from "../support/cores.ts";
import type { ServerProcess } from "../support/server-process.ts";
import type { BenchStore } from "../support/store.ts";
import { bareHandler, bareWorker, bundleWorker } from "../support/worker-scripts.ts";
import { startWorkerd } from "../support/workerd.ts";
import { startLogReader } from "./log-reader.ts";

export interface EdgeScripts {
  /** As `wrangler deploy` makes it. */
  readonly deployed: string;
  readonly withoutTelemetry: string;
  readonly bare: string;
  /** Bare, and it writes a line to its console for each request. */
  readonly bareWithLine: string;
  readonly instrumented: string;
}

export interface EdgeCell {
  readonly id: string;
  readonly title: string;
  readonly script: keyof EdgeScripts;
  /** Its variables. @param collectorUrl its own base address there */
  settings(collectorUrl: string): Readonly<Record<string, string>>;
}

/** The edge without counters, spans and logs, which no configuration offers. */
const withoutTelemetry: Plugin = {
  name: "without telemetry",
  setup: ({ onLoad }) => {
    onLoad({ filter: /[/\\]edge[/\\]telemetry[/\\]telemetry\.ts$/ }, () => ({
      contents: `
const nothing = () => undefined;
const active = { get: nothing, run: (_trace, work) => work() };
export const createEdgeTelemetry = () => ({
  active, begin: nothing, served: nothing, observe: nothing, transition: nothing, watchRedis: nothing,
});
export const telemetry = (_telemetry, events) => async (c, next) => {
  c.set("attempts", []);
  await next();
  events.flush(c.get("waitUntil"));
};`,
      loader: "ts",
    }));
  },
};

/** The length of a line of the edge's access log. */
const LINE_LENGTH = 400;

/** The bare handler under `@microlabs/otel-cf-workers`, with only the settings that it needs. */
const instrumented = (originUrl: string): string => `
import { instrument } from "@microlabs/otel-cf-workers";
${bareHandler(originUrl)}
export default instrument(handler, ({ COLLECTOR, RATIO }) => ({
  exporter: { url: COLLECTOR + "/v1/traces" },
  service: { name: "bare" },
  sampling: { headSampler: { ratio: Number(RATIO) } },
}));`;

/** @param bundle made before, with the manifest of routes that the edge without telemetry needs too */
export const edgeScripts = async (bundle: EdgeBundle, originUrl: string): Promise<EdgeScripts> => ({
  deployed: await readFile(bundle.path, "utf8"),
  withoutTelemetry: await bundleWorker({
    entryPoints: [join(projectFolder, "src/edge/worker.ts")],
    alias: { "breakwater-edge-routes": join(projectFolder, "dist/edge-routes.json") },
    plugins: [withoutTelemetry],
  }),
  bare: bareWorker(originUrl),
  bareWithLine: `
const line = JSON.stringify("x".repeat(${LINE_LENGTH} - 2));
${bareHandler(originUrl, "console.log(line);")}export default handler;`,
  instrumented: await bundleWorker({
    stdin: { contents: instrumented(originUrl), resolveDir: projectFolder, loader: "js" },
  }),
});

export interface EdgeSurroundings {
  readonly scripts: EdgeScripts;
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
}

/** @throws LocalError if it does not start */
export const startCellServer = async (
  { id, title, script, settings }: EdgeCell,
  surroundings: EdgeSurroundings,
  run: Run,
): Promise<ServerProcess> => {
  const { scripts, bundle, store, clients, originUrl, collector, cores, readyRequest } = surroundings;
  const folder = join(surroundings.folder, id);
  await mkdir(folder);
  const isEdge = script === "deployed" || script === "withoutTelemetry";
  const keyPrefix = `bench_${id}:`;
  if (isEdge) await publish(store, { keyPrefix, clients, blocklist: emptyBlocklist() });
  const log = join(folder, "log");
  await startLogReader(log, run);
  return await startWorkerd(
    {
      name: title,
      script: scripts[script],
      compatibilityDate: bundle.compatibilityDate,
      compatibilityFlags: script === "instrumented" ? ["nodejs_compat"] : bundle.compatibilityFlags,
      environment: {
        ...(isEdge ? edgeEnvironment(store, originUrl, keyPrefix) : {}),
        ...settings(collector.urlOf(id)),
      },
      folder,
      before: cores.before,
      log,
      readyRequest,
    },
    run,
  );
};
