/** What telemetry costs at the origin: the real program several times, on one database, taking turns under load. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CleanupStack } from "../../../../src/local/cleanup-stack.ts";
import { migrate } from "../../origin/breakwater.ts";
import { insertProducts } from "../../origin/products.ts";
import type { BenchOptions } from "../../support/bench.ts";
import { divideCores } from "../../support/cores.ts";
import { startLoadGenerator } from "../../support/load-generator.ts";
import { startOpenLoad } from "../../support/open-load.ts";
import { startServices } from "../../support/services.ts";
import { startCollector } from "../collector.ts";
import { type Figures, figuresOf, goalCells } from "../comparison.ts";
import { cellTable, comparisonTable, disturbance, heldBack } from "../report.ts";
import { type Cell, measure, type Plan } from "../rounds.ts";
import { ORIGIN_SERVERS, STATEMENT_CELLS, TRIVIAL_CELLS } from "./cells.ts";
import { ORIGIN_COMPARISONS } from "./comparisons.ts";
import { measureInProcess } from "./in-process.ts";
import { DATABASE_MS, type LatencyPlan, latencyTable, type SlowOrigin } from "./latency.ts";
import { type Origin, type OriginSurroundings, startOriginServer } from "./servers.ts";
import { startSlowDatabase } from "./slow-database.ts";

const FULL: Plan & { latency: LatencyPlan } = {
  rounds: 11,
  connections: 32,
  warmUpMs: 4_000,
  measureMs: 1_200,
  drainMs: 1_200,
  latency: { rounds: 5, measureMs: 5_000 },
};
const QUICK: typeof FULL = {
  rounds: 5,
  connections: 32,
  warmUpMs: 2_500,
  measureMs: 800,
  drainMs: 1_200,
  latency: { rounds: 1, measureMs: 3_000 },
};

const startSlowOrigins = async (
  surroundings: OriginSurroundings,
  stops: CleanupStack,
): Promise<readonly SlowOrigin[]> => {
  const { services } = surroundings;
  const database = await startSlowDatabase(services.databaseUrl, DATABASE_MS);
  stops.add(() => database.stop());
  const slow = { ...surroundings, services: { ...services, databaseUrl: database.url } };
  return [
    {
      title: "without any telemetry",
      origin: await startOriginServer("slow_none", "none", slow, stops),
      sampledIn: 0,
    },
    {
      title: "on: all, traces 10 %",
      origin: await startOriginServer("slow_on", "on", slow, stops),
      sampledIn: 10,
    },
  ];
};

export const benchOriginTelemetry = async (
  options: BenchOptions,
): Promise<{ readonly figures: Figures; readonly report: string }> => {
  const { isQuick, signal, onProgress } = options;
  const plan = isQuick ? QUICK : FULL;
  const stops = new CleanupStack();
  try {
    const folder = await mkdtemp(join(tmpdir(), "breakwater-bench-telemetry-"));
    stops.add(() => rm(folder, { recursive: true, force: true }));
    const cores = await divideCores();
    stops.add(() => cores.release());
    onProgress("starting PostgreSQL, Redis and the origins …");
    const services = await startServices(signal, onProgress);
    stops.add(() => services.stop());
    await migrate(services, signal);
    await insertProducts(services.databaseUrl);
    const collector = await startCollector(stops, signal);
    onProgress("measuring in one process …");
    const inProcess = await measureInProcess(collector.urlOf("in-process"), isQuick ? 30 : 100);
    const surroundings = { services, collector, cores, folder, signal };
    const origins = new Map<string, Origin>();
    for (const server of ORIGIN_SERVERS)
      origins.set(server, await startOriginServer(server, server, surroundings, stops));

    const wanted = goalCells(ORIGIN_COMPARISONS);
    const cells = [...TRIVIAL_CELLS, ...STATEMENT_CELLS]
      .filter(({ id }) => !isQuick || wanted.has(id))
      .map(({ id, title, server, route, sampledIn }): Cell => {
        const origin = origins.get(server);
        if (origin === undefined) throw new Error(`${server} was not started`);
        return {
          id,
          title,
          process: origin.process,
          requests: (count) => origin.requests(route, sampledIn, count),
        };
      });
    const load = startLoadGenerator();
    stops.add(() => load.close());
    const { measurements } = await measure({ cells, load, plan, signal, onProgress });
    const sent = await collector.sent();

    const openLoad = startOpenLoad();
    stops.add(() => openLoad.close());
    const slow = await startSlowOrigins(surroundings, stops);
    const latencies = await latencyTable(slow, openLoad, plan.latency, options);
    const none = new Map<string, string>();
    return {
      figures: { ...inProcess.figures, ...figuresOf(measurements, ORIGIN_COMPARISONS) },
      report: [
        "THE ORIGIN",
        inProcess.report,
        cellTable(measurements, TRIVIAL_CELLS, "trivial_none_0", none),
        cellTable(measurements, STATEMENT_CELLS, "statement_none_0", none),
        latencies,
        comparisonTable(measurements, ORIGIN_COMPARISONS),
        [
          disturbance(measurements),
          ...heldBack(measurements, cells),
          `spans that the collector has taken: ${[...sent].map(([name, { spans, requests }]) => `${name} ${spans} in ${requests} batches`).join(", ")}`,
          `${plan.rounds} rounds, ${plan.measureMs} ms a turn and ${plan.drainMs} ms behind it, ${plan.connections} connections; ${cores.description}; the log goes to a pipe that is read`,
          "trivial: GET /v1/products/:id from memory; SELECT: the same from the database; all requests are signed",
          services.description,
        ].join("\n"),
      ].join("\n\n"),
    };
  } finally {
    await stops.runAll();
  }
};
