/**
 * The cost of telemetry at the edge: the Worker as deployed, in `workerd serve`, with telemetry on and off, and a package
 * for Workers around one that only forwards. All run all the time and take turns.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleEdge } from "../../../src/local/edge.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { emptyBlocklist } from "../edge/blocked.ts";
import { type Client, clientOf, createClients, DISTINCT, orderRequest } from "../edge/clients.ts";
import { assertAnswered } from "../edge/probe.ts";
import { keyRecords } from "../edge/published.ts";
import { type EdgeStage, startWorker } from "../edge/servers.ts";
import { startStandIn } from "../edge/stand-in.ts";
import { type Bench, createFolder, type Run } from "../support/bench.ts";
import { startCollector } from "../support/collector.ts";
import { type Comparison, comparisonTable, figuresOf } from "../support/comparison.ts";
import { divideCores } from "../support/cores.ts";
import { startLoadGenerator } from "../support/load-generator.ts";
import { requestBatch } from "../support/request-batch.ts";
import { type Cell, cellTable, heldBack, measure, type Plan, planLine } from "../support/rounds.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { startStore } from "../support/store.ts";
import { bareHandler, bareWorker, bundleWorker } from "../support/worker-scripts.ts";
import { workerdVersion } from "../support/workerd.ts";
import { startLogReader } from "./log-reader.ts";

const FULL: Plan = {
  rounds: 11,
  connections: 64,
  warmUpMs: 8_000,
  settleMs: 0,
  measureMs: 2_500,
  drainMs: 1_300,
};
const QUICK: Plan = { ...FULL, rounds: 5, warmUpMs: 3_000, measureMs: 1_000, drainMs: 1_200 };

/** The length of a line of the edge's access log. */
const LINE_LENGTH = 400;

/** `bareWithLine` logs a line per request; `instrumented` is the bare handler under `@microlabs/otel-cf-workers`. */
type Script = "deployed" | "bare" | "bareWithLine" | "instrumented";

interface EdgeCell {
  readonly id: string;
  readonly title: string;
  readonly script: Script;
  /** Its variables. @param collectorUrl its own base address there */
  settings(collectorUrl: string): Readonly<Record<string, string>>;
}

const edge = (id: string, title: string, ratio: string | undefined, ACCESS_LOG: string): EdgeCell => ({
  id,
  title,
  script: "deployed",
  settings: (OTEL_EXPORTER_OTLP_ENDPOINT) => ({
    ACCESS_LOG,
    ...(ratio !== undefined && { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER_ARG: ratio }),
  }),
});

const EDGE_CELLS: readonly EdgeCell[] = [
  edge("off", "off: counted, not exported", undefined, "false"),
  edge("traces_100", "metrics, traces 100 %", "1", "false"),
  edge("on", "on: all, traces 10 %", "0.1", "all"),
];

const PACKAGE_CELLS: readonly EdgeCell[] = [
  { id: "bare", title: "bare pass-through", script: "bare", settings: () => ({}) },
  {
    id: "bare_line",
    title: `bare, one console.log of ${LINE_LENGTH} characters`,
    script: "bareWithLine",
    settings: () => ({}),
  },
  {
    id: "package_100",
    title: "otel-cf-workers, ratio 1",
    script: "instrumented",
    settings: (COLLECTOR) => ({ COLLECTOR }),
  },
];

const COMPARISONS: readonly Comparison[] = [
  { key: "edge_on_vs_off", cell: "on", base: "off", of: "throughput", atLeast: 0.9 },
  { key: "edge_on_cpu_vs_off", cell: "on", base: "off", of: "cpu" },
  { key: "edge_traces_100_us", cell: "traces_100", base: "off", of: "cpuUs" },
  { key: "console_line_us", cell: "bare_line", base: "bare", of: "cpuUs" },
  { key: "package_100_us", cell: "package_100", base: "bare", of: "cpuUs" },
];

const instrumented = (originUrl: string): string => `
import { instrument } from "@microlabs/otel-cf-workers";
${bareHandler(originUrl)}
export default instrument(handler, ({ COLLECTOR }) => ({
  exporter: { url: COLLECTOR + "/v1/traces" },
  service: { name: "bare" },
}));`;

const scriptsOf = async (deployed: string, originUrl: string): Promise<Readonly<Record<Script, string>>> => ({
  deployed,
  bare: bareWorker(originUrl),
  bareWithLine: `
const line = JSON.stringify("x".repeat(${LINE_LENGTH} - 2));
${bareHandler(originUrl, "console.log(line);")}export default handler;`,
  instrumented: await bundleWorker({
    stdin: { contents: instrumented(originUrl), resolveDir: projectFolder, loader: "js" },
  }),
});

const startCellServer = async (
  { id, script, settings }: EdgeCell,
  scripts: Readonly<Record<Script, string>>,
  stage: EdgeStage,
  run: Run,
): Promise<ServerProcess> => {
  const log = join(stage.folder, `${id}.log`);
  await startLogReader(log, run);
  return await startWorker(
    {
      id,
      script: scripts[script],
      environment: settings(stage.collector.urlOf(id)),
      ...(script === "deployed" && { blocklist: emptyBlocklist() }),
      ...(script === "instrumented" && { compatibilityFlags: ["nodejs_compat"] }),
      log,
    },
    stage,
    run,
  );
};

/** Without the client's own trace, which the package would follow. */
const requestOf = (clients: readonly Client[], n: number): string => {
  const client = clientOf(clients, n);
  return orderRequest(n, client, client.key.key).replace(/^traceparent: .*\r\n/m, "");
};

export const benchEdgeTelemetry: Bench = async (options) => {
  const { isQuick, signal, onProgress } = options;
  const plan = isQuick ? QUICK : FULL;
  const folder = await createFolder(options);
  onProgress("bundling the edge …");
  const bundle = await bundleEdge(signal, join(folder, "bundle"));
  const cores = await divideCores(options);

  onProgress("starting the edge's servers …");
  const store = await startStore(options);
  const clients = createClients();
  const standIn = await startStandIn(keyRecords(clients), options);
  const collector = await startCollector(options);
  const originUrl = `http://127.0.0.1:${standIn.port}`;
  const scripts = await scriptsOf(await readFile(bundle.path, "utf8"), originUrl);
  const requests = Array.from({ length: DISTINCT }, (_, n) => requestOf(clients, n));
  const batch = requestBatch(requests, true);
  const readyRequest = requestOf(clients, 0);
  const stage = { bundle, store, clients, originUrl, collector, cores, folder, readyRequest };
  const cells: Cell[] = [];
  for (const cell of [...EDGE_CELLS, ...PACKAGE_CELLS]) {
    const process = await startCellServer(cell, scripts, stage, options);
    await assertAnswered(cell.title, process.port, requests.slice(0, clients.length));
    cells.push({ id: cell.id, title: cell.title, process, requests: () => batch });
  }

  const load = startLoadGenerator(options);
  const measurements = await measure({ groups: [cells], load, plan }, options);
  return {
    figures: figuresOf(measurements, COMPARISONS),
    report: [
      cellTable("THE EDGE", measurements, EDGE_CELLS, "off"),
      cellTable("a bare Worker", measurements, PACKAGE_CELLS, "bare"),
      comparisonTable(measurements, COMPARISONS),
      [
        planLine(plan),
        ...heldBack(measurements, cells),
        `${await workerdVersion()}, ${cores.description}; its log goes to a pipe that is read`,
      ].join("\n"),
    ].join("\n\n"),
  };
};
