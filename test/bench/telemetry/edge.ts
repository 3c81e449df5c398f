/**
 * What telemetry costs at the edge: the Worker as deployed, in `workerd serve`, with each part of it on and off, and a
 * package for Workers around one that only forwards. All run all the time and take turns.
 */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bundleEdge } from "../../../src/local/edge.ts";
import { type Client, clientOf, createClients, DISTINCT, orderRequest } from "../edge/clients.ts";
import { assertAnswered } from "../edge/probe.ts";
import { keyRecords } from "../edge/published.ts";
import { startStandIn } from "../edge/stand-in.ts";
import { type Bench, createFolder } from "../support/bench.ts";
import { type SentTelemetry, startCollector } from "../support/collector.ts";
import { type Comparison, comparisonTable, figuresOf, hasGoal } from "../support/comparison.ts";
import { divideCores } from "../support/cores.ts";
import { startLoadGenerator } from "../support/load-generator.ts";
import { residentMib } from "../support/machine.ts";
import { requestBatch } from "../support/request-batch.ts";
import {
  type Cell,
  cellTable,
  heldBack,
  type Measured,
  measure,
  type Plan,
  planLine,
} from "../support/rounds.ts";
import { startStore } from "../support/store.ts";
import { workerdVersion } from "../support/workerd.ts";
import { type EdgeCell, edgeScripts, startCellServer } from "./edge-servers.ts";

const FULL: Plan = {
  rounds: 11,
  connections: 64,
  warmUpMs: 8_000,
  settleMs: 0,
  measureMs: 2_500,
  drainMs: 1_300,
};
const QUICK: Plan = { ...FULL, rounds: 5, warmUpMs: 3_000, measureMs: 1_000, drainMs: 1_200 };

const edge = (id: string, title: string, ratio: number | undefined, accessLog: boolean): EdgeCell => ({
  id,
  title,
  script: "deployed",
  settings: (collectorUrl) => ({
    ACCESS_LOG: accessLog ? "all" : "false",
    ...(ratio === undefined
      ? {}
      : { OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl, OTEL_TRACES_SAMPLER_ARG: String(ratio) }),
  }),
});

const instrumented = (id: string, title: string, ratio: number): EdgeCell => ({
  id,
  title,
  script: "instrumented",
  settings: (collectorUrl) => ({ COLLECTOR: collectorUrl, RATIO: String(ratio) }),
});

const EDGE_CELLS: readonly EdgeCell[] = [
  {
    id: "none",
    title: "edge without any telemetry",
    script: "withoutTelemetry",
    settings: () => ({ ACCESS_LOG: "false" }),
  },
  edge("off", "off: counted, sent nowhere", undefined, false),
  edge("metrics", "metrics sent, traces 0 %", 0, false),
  edge("traces_10", "metrics, traces 10 %", 0.1, false),
  edge("traces_100", "metrics, traces 100 %", 1, false),
  edge("log", "access log alone", undefined, true),
  edge("on", "on: all, traces 10 %", 0.1, true),
];

/** The line is as long as an access line. */
const PACKAGE_CELLS: readonly EdgeCell[] = [
  { id: "bare", title: "bare pass-through", script: "bare", settings: () => ({}) },
  {
    id: "bare_line",
    title: "bare, one console.log of 400 characters",
    script: "bareWithLine",
    settings: () => ({}),
  },
  instrumented("package_0", "otel-cf-workers, ratio 0", 0),
  instrumented("package_10", "otel-cf-workers, ratio 0.1", 0.1),
  instrumented("package_100", "otel-cf-workers, ratio 1", 1),
];

const COMPARISONS: readonly Comparison[] = [
  { key: "edge_on_vs_off", cell: "on", base: "off", of: "throughput", atLeast: 0.9 },
  { key: "edge_on_vs_none", cell: "on", base: "none", of: "throughput" },
  { key: "edge_counting_us", cell: "off", base: "none", of: "cpuUs" },
  { key: "edge_metrics_us", cell: "metrics", base: "off", of: "cpuUs" },
  { key: "edge_traces_10_us", cell: "traces_10", base: "metrics", of: "cpuUs" },
  { key: "edge_traces_100_us", cell: "traces_100", base: "metrics", of: "cpuUs" },
  { key: "edge_access_log_us", cell: "log", base: "off", of: "cpuUs" },
  { key: "edge_on_cpu_vs_off", cell: "on", base: "off", of: "cpu" },
  { key: "console_line_us", cell: "bare_line", base: "bare", of: "cpuUs" },
  // The edge and the package with all requests sampled, without a log.
  { key: "edge_traces_100_cpu_vs_off", cell: "traces_100", base: "off", of: "cpu" },
  { key: "package_0_cpu_vs_bare", cell: "package_0", base: "bare", of: "cpu" },
  { key: "package_10_cpu_vs_bare", cell: "package_10", base: "bare", of: "cpu" },
  { key: "package_100_cpu_vs_bare", cell: "package_100", base: "bare", of: "cpu" },
  { key: "package_100_us", cell: "package_100", base: "bare", of: "cpuUs" },
];

/** The cells of a quick run: those of goals, and the package beside the edge. */
const QUICK_CELLS = new Set([
  ...COMPARISONS.filter(hasGoal).flatMap(({ cell, base }) => [cell, base]),
  "traces_100",
  "bare",
  "package_100",
]);

const KIB = 1_024;
const gzipKib = (script: string): number =>
  Math.round((10 * gzipSync(script, { level: 9 }).byteLength) / KIB) / 10;

/** Without the client's own trace: the package would follow it, whatever its ratio. */
const requestOf = (clients: readonly Client[], n: number): string => {
  const client = clientOf(clients, n);
  return orderRequest(n, client, client.key.key).replace(/^traceparent: .*\r\n/m, "");
};

/** Spans that the collector received per request, by cell. */
const spanNotes = (
  before: SentTelemetry,
  after: SentTelemetry,
  answered: Measured["answered"],
): ReadonlyMap<string, string> =>
  new Map(
    Object.entries(after).map(([id, { spans, requests }]) => {
      const earlier = before[id] ?? { spans: 0, requests: 0 };
      const perRequest = (spans - earlier.spans) / Math.max(1, answered.get(id) ?? 0);
      return [id, `${perRequest.toFixed(3)}/request in ${requests - earlier.requests} batches`];
    }),
  );

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
  const standIn = await startStandIn(keyRecords(clients), "", options);
  const collector = await startCollector(options);
  const originUrl = `http://127.0.0.1:${standIn.port}`;
  const scripts = await edgeScripts(bundle, originUrl);
  const requests = Array.from({ length: DISTINCT }, (_, n) => requestOf(clients, n));
  const batch = requestBatch(requests, true);
  const readyRequest = requestOf(clients, 0);
  const stage = { bundle, store, clients, originUrl, collector, cores, folder, readyRequest };
  const cells: Cell[] = [];
  for (const cell of [...EDGE_CELLS, ...PACKAGE_CELLS]) {
    if (isQuick && !QUICK_CELLS.has(cell.id)) continue;
    const process = await startCellServer(cell, scripts, stage, options);
    await assertAnswered(cell.title, process.port, requests.slice(0, clients.length));
    cells.push({ id: cell.id, title: cell.title, process, requests: () => batch });
  }

  const load = startLoadGenerator(options);
  const before = await collector.sent();
  const { measurements, answered } = await measure({ groups: [cells], load, plan }, options);
  const notes = spanNotes(before, await collector.sent(), answered);
  const resident = cells.map(async ({ title, process }) => `${title} ${await residentMib(process.pid)}`);
  const kib = {
    edge_bundle_gzip_kib: gzipKib(scripts.deployed),
    edge_bundle_without_telemetry_gzip_kib: gzipKib(scripts.withoutTelemetry),
    package_bundle_gzip_kib: gzipKib(scripts.instrumented) - gzipKib(scripts.bare),
  };
  return {
    figures: { ...figuresOf(measurements, COMPARISONS), ...kib },
    report: [
      cellTable("THE EDGE", measurements, EDGE_CELLS, "off", notes),
      cellTable("a bare Worker", measurements, PACKAGE_CELLS, "bare", notes),
      comparisonTable(measurements, COMPARISONS, { figures: kib }),
      [
        planLine(plan),
        ...heldBack(measurements, cells),
        `resident memory at the end: ${(await Promise.all(resident)).join("; ")}`,
        `${await workerdVersion()}, ${cores.description}; its log goes to a pipe that is read`,
      ].join("\n"),
    ].join("\n\n"),
  };
};
