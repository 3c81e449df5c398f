/**
 * `npm run bench edge`: the edge's cost per request. The Worker as deployed, in `workerd serve`, against one that only
 * forwards and against the stock stack. All run all the time and take turns under load. The result is the ratio within a
 * round.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bundleEdge } from "../../../src/local/edge.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { LocalError } from "../../../src/local/local-error.ts";
import { startIssuer } from "../../support/issuer.ts";
import { type Bench, createFolder } from "../support/bench.ts";
import { assertSent, startCollector } from "../support/collector.ts";
import { type Comparison, comparisonTable, figuresOf, rounded } from "../support/comparison.ts";
import { divideCores } from "../support/cores.ts";
import { installPeers } from "../support/install-peers.ts";
import { startLoadGenerator } from "../support/load-generator.ts";
import { machineLine, watchIdle } from "../support/machine.ts";
import { profileCell } from "../support/profile.ts";
import { cellTable, heldBack, measure, type Plan, planLine } from "../support/rounds.ts";
import { startStore } from "../support/store.ts";
import { workerdVersion } from "../support/workerd.ts";
import { createCells } from "./cells.ts";
import { CLIENTS, clientOf, createClients, orderRequest, SAMPLING_RATIO } from "./clients.ts";
import { assertValid } from "./probe.ts";
import { keyRecords } from "./published.ts";
import { EXPORTING, startServers } from "./servers.ts";
import { startStandIn } from "./stand-in.ts";
import { startupMs } from "./startup.ts";
import { STOCK_DESCRIPTION } from "./stock.ts";

/** Many short turns: other work on the machine affects a round, not one cell. */
const FULL: Plan = {
  rounds: 21,
  connections: 64,
  warmUpMs: 3_000,
  // Until all keys are cached again.
  settleMs: 400,
  measureMs: 1_000,
  drainMs: 0,
};
const QUICK: Plan = { ...FULL, rounds: 7, warmUpMs: 1_500, settleMs: 300, measureMs: 600 };

const COMPARISONS: readonly Comparison[] = [
  { key: "chain_vs_bare", cell: "key", base: "bare", of: "throughput", atLeast: 0.6 },
  { key: "chain_cpu_vs_bare", cell: "key", base: "bare", of: "cpu", atMost: 1.6 },
  { key: "jwt_cached_cpu_vs_bare", cell: "token", base: "bare", of: "cpu", atMost: 1.6 },
  { key: "jwt_uncached_cpu_vs_bare", cell: "new_token", base: "bare", of: "cpu" },
  { key: "blocklist_100k_vs_empty", cell: "listed", base: "key", of: "throughput", atLeast: 0.95 },
  { key: "blocklist_100k_cpu_vs_empty", cell: "listed", base: "key", of: "cpu" },
  { key: "no_key_cpu_vs_passed", cell: "no_key", base: "key", of: "cpu", atMost: 1 },
  { key: "over_limit_cpu_vs_passed", cell: "over_limit", base: "key", of: "cpu", atMost: 1 },
  { key: "blocked_cpu_vs_passed", cell: "blocked", base: "listed", of: "cpu", atMost: 1 },
  // Both export their sampled traces, so that they do the same work.
  { key: "chain_vs_stock", cell: "traced", base: "stock", of: "throughput", atLeast: 3 },
  { key: "chain_cpu_vs_stock", cell: "traced", base: "stock", of: "cpu" },
];
const GOALS = { bundle_gzip_kib: { atMost: 128 } };
const KIB = 1_024;

export const benchEdge: Bench = async (options) => {
  const { isQuick, signal, onProgress } = options;
  const plan = isQuick ? QUICK : FULL;
  await installPeers(options);
  const folder = await createFolder(options);
  onProgress("bundling the edge …");
  const { profiled } = options;
  // Minified functions have no names.
  const bundle = await bundleEdge(
    signal,
    join(folder, "bundle"),
    profiled === undefined ? [] : ["--no-minify"],
  );
  const cores = await divideCores(options);

  onProgress("starting the servers …");
  const store = await startStore(options);
  const collector = await startCollector(options);
  const issuer = await startIssuer();
  options.stops.add(issuer.stop);
  const clients = createClients();
  const standIn = await startStandIn(keyRecords(clients), options);
  const originUrl = `http://127.0.0.1:${standIn.port}`;
  const readyRequest = orderRequest(0, clientOf(clients, 0), clientOf(clients, 0).key.key);
  const created = await createCells(clients, issuer);
  const chosen = created.find(({ id }) => id === profiled);
  if (profiled !== undefined && chosen === undefined)
    throw new LocalError(`--profile takes one of: ${created.map(({ id }) => id).join(", ")}`);
  const inspected = chosen && { id: chosen.server, port: await freePort() };
  const stage = { inspected, bundle, store, clients, originUrl, collector, cores, folder, readyRequest };
  const processes = await startServers(stage, issuer.environment, options);

  onProgress("verifying the servers …");
  const cells = created.map((cell) => ({ ...cell, process: processes[cell.server] }));
  for (const cell of cells) await assertValid(cell, store, clients);
  const cell = cells.find(({ id }) => id === profiled);
  if (cell && inspected) return await profileCell(cell, inspected.port, options);

  const load = startLoadGenerator(options);
  const idle = watchIdle();
  const measurements = await measure({ groups: [cells], load, plan }, options);
  const machine = machineLine(idle());
  await assertSent(collector, EXPORTING);
  const kib = gzipSync(await readFile(bundle.path), { level: 9 }).byteLength / KIB;
  const startupCpuMs = await startupMs(folder, options.signal);
  const others = { bundle_gzip_kib: rounded(kib), startup_cpu_ms: rounded(startupCpuMs) };
  return {
    figures: { ...figuresOf(measurements, COMPARISONS), ...others },
    report: [
      cellTable("", measurements, cells, "bare"),
      comparisonTable(measurements, COMPARISONS, { figures: others, goals: GOALS }),
      [
        planLine(plan),
        ...heldBack(measurements, cells),
        `${CLIENTS} clients with one key each, GET /v1/orders/:id with 10 header fields; the stand-in responds 200, an order, ten fields and Node's own`,
        `${await workerdVersion()}, ${cores.description}`,
        `limits are enforced, and high enough to reject no request; ${store.redis.kind} ${store.redis.version} behind the bridge`,
        STOCK_DESCRIPTION,
        `"exported": ${100 * SAMPLING_RATIO} % of the traces go to a local collector, and the chain's metrics; the other cells export nothing`,
        machine,
      ].join("\n"),
    ].join("\n\n"),
  };
};
