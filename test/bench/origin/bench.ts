/**
 * `npm run bench origin`: the origin's request path against other stacks. All servers run all the time, on the same
 * database, with the same number of connections to it, and take turns under load. The result is the ratio within a round.
 */
import { freePort } from "../../../src/local/free-port.ts";
import { LocalError } from "../../../src/local/local-error.ts";
import type { Bench, BenchOptions, BenchOutcome } from "../support/bench.ts";
import { assertSent } from "../support/collector.ts";
import { type Comparison, comparisonTable, figuresOf } from "../support/comparison.ts";
import { startLoadGenerator } from "../support/load-generator.ts";
import { machineLine, watchIdle } from "../support/machine.ts";
import { profileCell } from "../support/profile.ts";
import { type Cell, cellTable, measure, type Plan, planLine } from "../support/rounds.ts";
import { type Services, startServices } from "../support/services.ts";
import { migrate, startBreakwater } from "./breakwater.ts";
import { PEERS, startBareHono, startPeers } from "./peers.ts";
import { insertProducts } from "./products.ts";
import { roundTripTable } from "./round-trips.ts";
import { assertSameAnswers } from "./same-answers.ts";
import { type Contestant, DATABASE_CONNECTIONS, KINDS, type Kind } from "./workload.ts";

const FULL: Plan = {
  rounds: 7,
  connections: 32,
  warmUpMs: 2_000,
  settleMs: 300,
  measureMs: 2_000,
  drainMs: 0,
};
const QUICK: Plan = { ...FULL, rounds: 3, warmUpMs: 400, settleMs: 100, measureMs: 400 };

/** `stack`: with OpenTelemetry. */
const COMPARISONS: readonly Comparison[] = [
  { key: "select_vs_bare_hono", cell: "breakwater select", base: "hono select", atLeast: 0.9 },
  { key: "cached_vs_bare_hono", cell: "breakwater cached", base: "hono cached", atLeast: 0.55 },
  { key: "order_vs_bare_hono", cell: "breakwater order", base: "hono order", atLeast: 1.3 },
  { key: "order_with_key_vs_bare_hono", cell: "breakwater order_with_key", base: "hono order", atLeast: 1.1 },
  { key: "select_vs_express_stack", cell: "breakwater select", base: "express_otel select", atLeast: 4 },
  { key: "select_vs_fastify_stack", cell: "breakwater select", base: "fastify_otel select", atLeast: 3 },
  { key: "order_vs_express_stack", cell: "breakwater order", base: "express_otel order", atLeast: 2 },
].map((comparison) => ({ ...comparison, of: "throughput" }));

/** Each kind's title, and the kind of bare Hono's requests to which its ratios refer. */
const TABLES: Readonly<Record<Kind, { readonly title: string; readonly base: Kind }>> = {
  select: { title: "one indexed SELECT (GET /v1/products/:id)", base: "select" },
  cached: {
    title: "cached (GET /cached/:id from a Map; Breakwater: GET /v1/products/:id by its policy)",
    base: "cached",
  },
  order: { title: "order of two lines (POST /v1/orders)", base: "order" },
  order_with_key: { title: "order with an Idempotency-Key of its own", base: "order" },
};

const cellsOf = (contestants: readonly Contestant[], kind: Kind): Cell[] =>
  contestants
    .filter(({ kinds }) => kinds.includes(kind))
    .map(({ id, title, process, requests }) => ({
      id: `${id} ${kind}`,
      title,
      process,
      // The only kind that needs neither PostgreSQL nor Redis.
      staysAwake: kind === "cached",
      requests: (count) => requests(kind, count),
    }));

/** @throws LocalError for an unknown kind */
const profile = async (kind: string, services: Services, options: BenchOptions): Promise<BenchOutcome> => {
  const inspectorPort = await freePort();
  const breakwater = await startBreakwater(services, options, inspectorPort);
  const cell = KINDS.flatMap((each) => cellsOf([breakwater], each)).find(
    ({ id }) => id === `breakwater ${kind}`,
  );
  if (cell === undefined) throw new LocalError(`--profile takes one of: ${KINDS.join(", ")}`);
  return await profileCell(cell, inspectorPort, options);
};

export const benchOrigin: Bench = async (options) => {
  const plan = options.isQuick ? QUICK : FULL;
  const services = await startServices(options);
  await migrate(services, options);
  await insertProducts(services.databaseUrl);
  options.onProgress("starting the servers …");
  if (options.profiled !== undefined) return await profile(options.profiled, services, options);
  const contestants = [...(await startPeers(services, options)), await startBreakwater(services, options)];
  const roundTrips = await roundTripTable(
    services,
    [(counted) => startBareHono(counted, options), (counted) => startBreakwater(counted, options)],
    options,
  );
  const load = startLoadGenerator(options);
  await assertSameAnswers(contestants, KINDS);
  const groups = KINDS.map((kind) => cellsOf(contestants, kind));
  const idle = watchIdle();
  const measurements = await measure({ groups, load, plan }, options);
  const machine = machineLine(idle());
  const tracing = PEERS.filter(({ instrumentations }) => instrumentations !== undefined);
  const sent = await assertSent(services.collector, ["breakwater", ...tracing.map(({ id }) => id)]);
  return {
    figures: figuresOf(measurements, COMPARISONS),
    report: [
      ...KINDS.map((kind, index) =>
        cellTable(TABLES[kind].title, measurements, groups[index] ?? [], `hono ${TABLES[kind].base}`),
      ),
      comparisonTable(measurements, COMPARISONS),
      roundTrips,
      [
        planLine(plan),
        "base: bare Hono; cached: the load generator does not sleep, so that no server pays for waking it",
        `each server: one process, ${DATABASE_CONNECTIONS} connections to the database, its log to /dev/null`,
        "access log, each as by default: Breakwater's origin sampled requests and failures, the stacks every request, bare Hono none",
        services.description,
        machine,
        `batches of spans exported: ${Object.entries(sent)
          .map(([id, requests]) => `${id} ${requests}`)
          .join(", ")}`,
      ].join("\n"),
    ].join("\n\n"),
  };
};
