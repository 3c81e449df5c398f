/** The edge as deployed and without telemetry, and a bare Worker with a package for telemetry and without. */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Plugin } from "esbuild";
import { parse } from "smol-toml";
import * as z from "zod/mini";
import type { EdgeBundle } from "../../../src/local/edge.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { emptyBlocklist } from "../edge/blocked.ts";
import { type EdgeStage, startWorker } from "../edge/servers.ts";
import type { Run } from "../support/bench.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { bareHandler, bareWorker, bundleWorker } from "../support/worker-scripts.ts";
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

/** Replaces modules of `src/edge/telemetry`: an edge without counters, spans and logs, which no configuration offers. */
const NO_TELEMETRY: Readonly<Record<string, string>> = {
  "attempt-span": "export const startAttemptSpan = () => undefined, endAttemptSpan = () => undefined;",
  exporter: "export const createSendTelemetry = () => undefined, createTelemetryExporter = () => undefined;",
  global: "export const isolateMetrics = { meter: undefined, collect: () => undefined };",
  metrics: `
const nothing = () => undefined;
export const createEdgeMetrics = () => ({
  request: nothing, cache: nothing, refused: nothing, observe: nothing, breakers: { watch: () => nothing }, counts: {},
});`,
  telemetry: `
export const telemetry = ({ events }) => async (c, next) => {
  c.set("attempts", []);
  await next();
  events.flush(c.get("waitUntil"));
};`,
  tracing: "export const createTracedFetch = ({ fetch }) => fetch;",
};

const withoutTelemetry: Plugin = {
  name: "without telemetry",
  setup: ({ onLoad }) => {
    onLoad({ filter: /[/\\]src[/\\]edge[/\\]telemetry[/\\][a-z-]+\.ts$/ }, ({ path }) => {
      const contents = NO_TELEMETRY[basename(path, ".ts")];
      return contents === undefined ? undefined : { contents, loader: "js" };
    });
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
export const edgeScripts = async (bundle: EdgeBundle, originUrl: string): Promise<EdgeScripts> => {
  const wrangler = parse(await readFile(join(projectFolder, "wrangler.toml"), "utf8"));
  const { alias } = z.object({ alias: z.record(z.string(), z.string()) }).parse(wrangler);
  return {
    deployed: await readFile(bundle.path, "utf8"),
    withoutTelemetry: await bundleWorker({
      entryPoints: [join(projectFolder, "src/edge/worker.ts")],
      alias,
      plugins: [withoutTelemetry],
    }),
    bare: bareWorker(originUrl),
    bareWithLine: `
const line = JSON.stringify("x".repeat(${LINE_LENGTH} - 2));
${bareHandler(originUrl, "console.log(line);")}export default handler;`,
    instrumented: await bundleWorker({
      stdin: { contents: instrumented(originUrl), resolveDir: projectFolder, loader: "js" },
    }),
  };
};

/** @throws LocalError if it does not start */
export const startCellServer = async (
  { id, script, settings }: EdgeCell,
  scripts: EdgeScripts,
  stage: EdgeStage,
  run: Run,
): Promise<ServerProcess> => {
  const log = join(stage.folder, `${id}.log`);
  await startLogReader(log, run);
  const isEdge = script === "deployed" || script === "withoutTelemetry";
  return await startWorker(
    {
      id,
      script: scripts[script],
      environment: settings(stage.collector.urlOf(id)),
      ...(isEdge && { blocklist: emptyBlocklist() }),
      ...(script === "instrumented" && { compatibilityFlags: ["nodejs_compat"] }),
      log,
    },
    stage,
    run,
  );
};
