/**
 * What telemetry costs at the edge: the worker as it is deployed, in `workerd serve`, with each part of it on and off; and
 * what a package for Workers costs a worker that only passes requests on. All are up all the time and take turns.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { CleanupStack } from "../../../../src/local/cleanup-stack.ts";
import { bundleEdge } from "../../../../src/local/edge.ts";
import { freePort } from "../../../../src/local/free-port.ts";
import { projectFolder } from "../../../../src/local/state-dir.ts";
import { ANSWER } from "../../edge/answer.ts";
import { type Client, clientOf, createClients, DISTINCT, orderRequest } from "../../edge/clients.ts";
import { keyRecords, startStore } from "../../edge/store.ts";
import type { BenchOptions } from "../../support/bench.ts";
import { divideCores } from "../../support/cores.ts";
import { exchange } from "../../support/exchange.ts";
import { startLoadGenerator } from "../../support/load-generator.ts";
import { rawRequest, requestBatch } from "../../support/request-batch.ts";
import { startServer } from "../../support/server-process.ts";
import { workerdVersion } from "../../support/workerd.ts";
import { type Collector, startCollector } from "../collector.ts";
import { type Figures, figuresOf, goalCells } from "../comparison.ts";
import { cellTable, comparisonTable, disturbance, heldBack } from "../report.ts";
import { residentMib } from "../resident.ts";
import { type Cell, type Measured, measure, type Plan } from "../rounds.ts";
import { bareWithLine, bareWorker, bundleBareEdge, bundleInstrumented } from "./bundles.ts";
import { EDGE_CELLS, type EdgeCell, PACKAGE_CELLS } from "./cells.ts";
import { EDGE_COMPARISONS, PACKAGE_COMPARISONS } from "./comparisons.ts";
import { type EdgeSurroundings, readDeployed, startCellServer } from "./servers.ts";

const FULL: Plan = { rounds: 11, connections: 64, warmUpMs: 8_000, measureMs: 2_500, drainMs: 1_300 };
const QUICK: Plan = { rounds: 5, connections: 64, warmUpMs: 3_000, measureMs: 1_000, drainMs: 1_200 };

const GZIP_LEVEL = 9;
const KIB = 1_024;

const gzipKib = (script: string): number => gzipSync(script, { level: GZIP_LEVEL }).byteLength / KIB;

/** Without the client's own trace: the package would follow it, whatever its ratio. */
const requestOf = (clients: readonly Client[], n: number): string => {
  const client = clientOf(clients, n);
  return orderRequest(n, client, client.key.key).replace(/^traceparent: .*\r\n/m, "");
};

const startStandIn = async (clients: readonly Client[], signal: AbortSignal) =>
  await startServer({
    name: "the origin's stand-in",
    folder: projectFolder,
    args: [fileURLToPath(new URL("../../edge/stand-in.ts", import.meta.url))],
    environment: { KEYS: JSON.stringify(keyRecords(clients)) },
    port: await freePort(),
    readyRequest: async () => rawRequest({ method: "GET", target: "/", headers: { host: "127.0.0.1" } }),
    signal,
  });

interface StartedCell extends Cell, Pick<EdgeCell, "script"> {}

/** @throws Error where a client is not answered with what the stand-in has */
const assertAnswered = async ({ title, process }: Cell, clients: readonly Client[]): Promise<void> => {
  for (let n = 0; n < clients.length; n += 1) {
    const { status, body } = await exchange(process.port, requestOf(clients, n));
    if (status !== 200 || body.toString() !== ANSWER)
      throw new Error(`${title}: answered ${status} ${body.toString("utf8", 0, 300)}`);
  }
};

/** By cell: how many spans the collector has got for each request. */
const spansTaken = async (
  collector: Collector,
  answered: Measured["answered"],
  before: Awaited<ReturnType<Collector["sent"]>>,
): Promise<ReadonlyMap<string, string>> => {
  const notes = new Map<string, string>();
  for (const [id, { spans, requests }] of await collector.sent()) {
    const known = before.get(id) ?? { spans: 0, requests: 0 };
    const perRequest = (spans - known.spans) / Math.max(1, answered.get(id) ?? 0);
    notes.set(id, `${perRequest.toFixed(3)}/request in ${requests - known.requests} batches`);
  }
  return notes;
};

export interface PartOutcome {
  readonly figures: Figures;
  readonly report: string;
}

export const benchEdgeTelemetry = async ({
  isQuick,
  signal,
  onProgress,
}: BenchOptions): Promise<PartOutcome> => {
  const plan = isQuick ? QUICK : FULL;
  const stops = new CleanupStack();
  try {
    const folder = await mkdtemp(join(tmpdir(), "breakwater-bench-telemetry-"));
    stops.add(() => rm(folder, { recursive: true, force: true }));
    onProgress("bundling the edge …");
    const bundle = await bundleEdge(signal, join(folder, "bundle"));
    const cores = await divideCores();
    stops.add(() => cores.release());

    onProgress("starting the edge's servers …");
    const store = await startStore(stops, signal);
    const clients = createClients();
    const standIn = await startStandIn(clients, signal);
    stops.add(() => standIn.stop());
    const collector = await startCollector(stops, signal);
    const originUrl = `http://127.0.0.1:${standIn.port}`;
    const scripts = {
      deployed: await readDeployed(bundle),
      withoutTelemetry: await bundleBareEdge(),
      bare: bareWorker(originUrl),
      bareWithLine: bareWithLine(originUrl),
      instrumented: await bundleInstrumented(originUrl),
    };
    const readyRequest = requestOf(clients, 0);
    const surroundings: EdgeSurroundings = {
      scripts,
      bundle,
      store,
      clients,
      originUrl,
      collector,
      cores,
      folder,
      readyRequest,
      signal,
    };
    const batch = requestBatch(
      Array.from({ length: DISTINCT }, (_, n) => requestOf(clients, n)),
      true,
    );
    const cells: StartedCell[] = [];
    const wanted = new Set([...goalCells(EDGE_COMPARISONS), "traces_100", "bare", "package_100"]);
    for (const cell of [...EDGE_CELLS, ...PACKAGE_CELLS]) {
      if (isQuick && !wanted.has(cell.id)) continue;
      const process = await startCellServer(cell, surroundings, stops);
      const started = { ...cell, process, requests: () => batch };
      await assertAnswered(started, clients);
      cells.push(started);
    }

    const load = startLoadGenerator();
    stops.add(() => load.close());
    const before = await collector.sent();
    const { measurements, answered } = await measure({ cells, load, plan, signal, onProgress });
    const notes = await spansTaken(collector, answered, before);
    const resident = await Promise.all(
      cells.map(async ({ title, process }) => `${title} ${await residentMib(process.pid)}`),
    );
    const kib = {
      edge_bundle_gzip_kib: gzipKib(scripts.deployed),
      edge_bundle_without_telemetry_gzip_kib: gzipKib(scripts.withoutTelemetry),
      package_bundle_gzip_kib: gzipKib(scripts.instrumented) - gzipKib(scripts.bare),
    };
    const comparisons = [...EDGE_COMPARISONS, ...PACKAGE_COMPARISONS];
    return {
      figures: {
        ...figuresOf(measurements, comparisons),
        ...Object.fromEntries(Object.entries(kib).map(([key, value]) => [key, Math.round(10 * value) / 10])),
      },
      report: [
        "THE EDGE",
        cellTable(measurements, EDGE_CELLS, "off", notes),
        cellTable(measurements, PACKAGE_CELLS, "bare", notes),
        comparisonTable(measurements, comparisons),
        [
          disturbance(measurements),
          ...heldBack(measurements, cells),
          `bundles, gzip KiB: the edge ${kib.edge_bundle_gzip_kib.toFixed(1)}, of which telemetry ${(kib.edge_bundle_gzip_kib - kib.edge_bundle_without_telemetry_gzip_kib).toFixed(1)}; the package adds ${kib.package_bundle_gzip_kib.toFixed(1)}`,
          `resident memory at the end: ${resident.join("; ")}`,
          `${plan.rounds} rounds, ${plan.measureMs} ms a turn and ${plan.drainMs} ms behind it, ${plan.connections} connections; ${await workerdVersion()}, ${cores.description}; its log goes to a pipe that is read`,
        ].join("\n"),
      ].join("\n\n"),
    };
  } finally {
    await stops.runAll();
  }
};
