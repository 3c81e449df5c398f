/** What telemetry costs at the origin: the real program several times, on one database, taking turns under load. */
import { migrate } from "../origin/breakwater.ts";
import { insertProducts } from "../origin/products.ts";
import { type Bench, createFolder } from "../support/bench.ts";
import { assertSent } from "../support/collector.ts";
import { type Comparison, comparisonTable, figuresOf, hasGoal } from "../support/comparison.ts";
import { divideCores } from "../support/cores.ts";
import { startLoadGenerator } from "../support/load-generator.ts";
import { type Cell, cellTable, heldBack, measure, type Plan, planLine } from "../support/rounds.ts";
import { startServices } from "../support/services.ts";
import { measureInProcess } from "./in-process.ts";
import {
  ORIGIN_SERVERS,
  type Origin,
  type OriginRoute,
  type OriginServer,
  startOriginServer,
} from "./origin-servers.ts";

const FULL: Plan = {
  rounds: 11,
  connections: 32,
  warmUpMs: 4_000,
  settleMs: 0,
  measureMs: 1_200,
  drainMs: 1_200,
};
const QUICK: Plan = { ...FULL, rounds: 5, warmUpMs: 2_500, measureMs: 800 };

interface OriginCell {
  readonly id: string;
  readonly title: string;
  readonly server: OriginServer;
  readonly route: OriginRoute;
  /** One request in so many is sampled; 0: none. */
  readonly sampledIn: number;
}

const cell = (route: OriginRoute, server: OriginServer, sampledIn: number, title: string): OriginCell => ({
  id: `${route}_${server}_${sampledIn === 0 ? 0 : 100 / sampledIn}`,
  title,
  server,
  route,
  sampledIn,
});

const TRIVIAL_CELLS: readonly OriginCell[] = [
  cell("trivial", "none", 0, "without any telemetry"),
  cell("trivial", "off", 0, "off: metrics alone"),
  cell("trivial", "log", 0, "metrics, access log"),
  cell("trivial", "traces", 0, "metrics, traces 0 %"),
  cell("trivial", "traces", 1, "metrics, traces 100 %"),
  cell("trivial", "on", 10, "on: all, traces 10 %"),
];

const STATEMENT_CELLS: readonly OriginCell[] = [
  cell("statement", "none", 0, "without any telemetry"),
  cell("statement", "off", 0, "off: metrics alone"),
  cell("statement", "traces", 1, "metrics, traces 100 %"),
  cell("statement", "on", 10, "on: all, traces 10 %"),
];

/** Between processes, which differ by more than telemetry costs: for microseconds see `in-process.ts`. */
const COMPARISONS: readonly Comparison[] = [
  { key: "origin_on_vs_off", cell: "trivial_on_10", base: "trivial_none_0", of: "throughput", atLeast: 0.9 },
  {
    key: "origin_statement_on_vs_off",
    cell: "statement_on_10",
    base: "statement_none_0",
    of: "throughput",
    atLeast: 0.9,
  },
  { key: "origin_served_sampled_us", cell: "trivial_traces_100", base: "trivial_none_0", of: "cpuUs" },
  { key: "origin_served_unsampled_us", cell: "trivial_traces_0", base: "trivial_none_0", of: "cpuUs" },
  { key: "origin_metrics_us", cell: "trivial_off_0", base: "trivial_none_0", of: "cpuUs" },
  { key: "origin_access_log_us", cell: "trivial_log_0", base: "trivial_off_0", of: "cpuUs" },
  { key: "origin_span_us", cell: "trivial_traces_100", base: "trivial_traces_0", of: "cpuUs" },
  { key: "origin_on_us", cell: "trivial_on_10", base: "trivial_none_0", of: "cpuUs" },
  { key: "origin_statement_metrics_us", cell: "statement_off_0", base: "statement_none_0", of: "cpuUs" },
  { key: "origin_statement_sampled_us", cell: "statement_traces_100", base: "statement_none_0", of: "cpuUs" },
];

/** The cells of a quick run. */
const GOAL_CELLS = new Set(COMPARISONS.filter(hasGoal).flatMap(({ cell: id, base }) => [id, base]));

const originOf = (origins: ReadonlyMap<OriginServer, Origin>, server: OriginServer): Origin => {
  const origin = origins.get(server);
  if (origin === undefined) throw new Error(`${server} was not started`);
  return origin;
};

export const benchOriginTelemetry: Bench = async (options) => {
  const { isQuick, onProgress } = options;
  const plan = isQuick ? QUICK : FULL;
  const folder = await createFolder(options);
  const cores = await divideCores(options);
  const services = await startServices(options);
  await migrate(services, options);
  await insertProducts(services.databaseUrl);
  const { collector } = services;
  onProgress("measuring in one process …");
  const inProcess = await measureInProcess(collector.urlOf("in-process"), isQuick ? 30 : 100);
  const origins = new Map<OriginServer, Origin>();
  for (const server of ORIGIN_SERVERS)
    origins.set(server, await startOriginServer(server, { services, cores, folder }, options));

  const cells = [...TRIVIAL_CELLS, ...STATEMENT_CELLS]
    .filter(({ id }) => !isQuick || GOAL_CELLS.has(id))
    .map(({ id, title, server, route, sampledIn }): Cell => {
      const { process, requests } = originOf(origins, server);
      return { id, title, process, requests: (count) => requests(route, sampledIn, count) };
    });
  const load = startLoadGenerator(options);
  const { measurements } = await measure({ groups: [cells], load, plan }, options);
  const sent = Object.entries(await assertSent(collector, ["on"]));
  return {
    figures: { ...inProcess.figures, ...figuresOf(measurements, COMPARISONS) },
    report: [
      "THE ORIGIN",
      inProcess.report,
      cellTable("from memory", measurements, TRIVIAL_CELLS, "trivial_none_0"),
      cellTable("with a SELECT", measurements, STATEMENT_CELLS, "statement_none_0"),
      comparisonTable(measurements, COMPARISONS),
      [
        planLine(plan),
        ...heldBack(measurements, cells),
        `spans that the collector has received: ${sent.map(([name, { spans, requests }]) => `${name} ${spans} in ${requests} batches`).join(", ")}`,
        `${cores.description}; the log goes to a pipe that is read`,
        "GET /v1/products/:id from memory, and from the database; all requests are signed",
        services.description,
      ].join("\n"),
    ].join("\n\n"),
  };
};
