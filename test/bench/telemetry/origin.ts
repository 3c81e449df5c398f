/** The cost of telemetry at the origin: the real program several times, on one database, taking turns under load. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { migrate, originEnvironment, UNCACHED } from "../origin/breakwater.ts";
import { insertProducts } from "../origin/products.ts";
import { createSigningKeys, sealedRequest } from "../origin/sealed-request.ts";
import { hotProductIdOf, productIdOf } from "../origin/workload.ts";
import { type Bench, createFolder, type Run } from "../support/bench.ts";
import { assertSent } from "../support/collector.ts";
import { type Comparison, comparisonTable, figuresOf } from "../support/comparison.ts";
import { type Cores, divideCores } from "../support/cores.ts";
import { startLoadGenerator } from "../support/load-generator.ts";
import { requestBatch } from "../support/request-batch.ts";
import { type Cell, cellTable, heldBack, measure, type Plan, planLine } from "../support/rounds.ts";
import { startServer } from "../support/server-process.ts";
import { type Services, startServices } from "../support/services.ts";
import { measureInProcess } from "./in-process.ts";
import { startLogReader } from "./log-reader.ts";

const FULL: Plan = {
  rounds: 11,
  connections: 32,
  warmUpMs: 4_000,
  settleMs: 0,
  measureMs: 1_200,
  drainMs: 1_200,
};
const QUICK: Plan = { ...FULL, rounds: 5, warmUpMs: 2_500, measureMs: 800 };

/** `none`: without any telemetry, by a change of the program; `off`: metrics alone, the default. */
const SERVERS = {
  none: "without any telemetry",
  off: "off: metrics alone",
  log: "metrics, access log",
  on: "on: all, traces 10 %",
};
type Server = keyof typeof SERVERS;

/** `trivial`: from memory; `statement`: with a SELECT. */
type Route = "trivial" | "statement";

/** Between processes, which differ by more than telemetry costs: for microseconds see `in-process.ts`. */
const COMPARISONS: readonly Comparison[] = [
  { key: "origin_on_vs_off", cell: "trivial_on", base: "trivial_none", of: "throughput", atLeast: 0.9 },
  {
    key: "origin_statement_on_vs_off",
    cell: "statement_on",
    base: "statement_none",
    of: "throughput",
    atLeast: 0.9,
  },
  { key: "origin_metrics_us", cell: "trivial_off", base: "trivial_none", of: "cpuUs" },
  { key: "origin_access_log_us", cell: "trivial_log", base: "trivial_off", of: "cpuUs" },
];

const signingKeys = createSigningKeys();
const WITHOUT_TELEMETRY = new URL("./without-telemetry.ts", import.meta.url).href;
/** One request in ten is sampled, if traces are exported. */
const SAMPLED_IN = 10;

const requestOf = (authority: string, route: Route, n: number, isSampled: boolean): Promise<string> =>
  sealedRequest(signingKeys, authority, {
    path: `/v1/products/${route === "trivial" ? hotProductIdOf(n) : productIdOf(n)}`,
    headers: { accept: "application/json", ...(route === "statement" && UNCACHED) },
    parentSpanId: isSampled ? randomBytes(8).toString("hex") : undefined,
  });

interface Surroundings {
  readonly services: Services;
  readonly cores: Cores;
  /** For the pipes of logs. */
  readonly folder: string;
}

/** One server, and a cell for each of its routes. @throws LocalError if it does not start */
const startCells = async (
  server: Server,
  { services, cores, folder }: Surroundings,
  run: Run,
): Promise<readonly Cell[]> => {
  const port = await freePort();
  const authority = `127.0.0.1:${port}`;
  const log = join(folder, server);
  await startLogReader(log, run);
  const process = await startServer(
    {
      name: `the origin (${server})`,
      folder: projectFolder,
      args: [
        ...(server === "none" ? ["--import", WITHOUT_TELEMETRY] : []),
        join(projectFolder, "src/origin/main.ts"),
      ],
      environment: {
        ...originEnvironment(services, signingKeys),
        ORIGIN_AUTHORITIES: authority,
        ACCESS_LOG: String(server === "log" || server === "on"),
        ...(server === "on" && { OTEL_EXPORTER_OTLP_ENDPOINT: services.collector.urlOf(server) }),
      },
      port,
      before: cores.before,
      log,
      readyRequest: () => requestOf(authority, "statement", 0, false),
    },
    run,
  );
  const cell = (route: Route): Cell => ({
    id: `${route}_${server}`,
    title: SERVERS[server],
    process,
    requests: async (count) => {
      const requests: string[] = [];
      for (let n = 0; n < count; n += 1)
        requests.push(await requestOf(authority, route, n, server === "on" && n % SAMPLED_IN === 0));
      return requestBatch(requests, false);
    },
  });
  return server === "none" || server === "on" ? [cell("trivial"), cell("statement")] : [cell("trivial")];
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
  const cells: Cell[] = [];
  for (const server of ["none", "off", "log", "on"] as const)
    cells.push(...(await startCells(server, { services, cores, folder }, options)));

  const load = startLoadGenerator(options);
  const measurements = await measure({ groups: [cells], load, plan }, options);
  await assertSent(collector, ["on"]);
  const table = (title: string, route: Route): string => {
    const own = cells.filter(({ id }) => id.startsWith(route));
    return cellTable(title, measurements, own, `${route}_none`);
  };
  return {
    figures: { ...inProcess.figures, ...figuresOf(measurements, COMPARISONS) },
    report: [
      "THE ORIGIN",
      inProcess.report,
      table("from memory", "trivial"),
      table("with a SELECT", "statement"),
      comparisonTable(measurements, COMPARISONS),
      [
        planLine(plan),
        ...heldBack(measurements, cells),
        `${cores.description}; the log goes to a pipe that is read`,
        "GET /v1/products/:id from memory, and from the database; all requests are signed",
        services.description,
      ].join("\n"),
    ].join("\n\n"),
  };
};
