/**
 * `npm run bench edge`: what the edge costs per request. The Worker as deployed, in `workerd serve`, against one that only
 * forwards and against the stock stack. All run all the time and take turns under load. The result is the ratio within a
 * round.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { bundleEdge } from "../../../src/local/edge.ts";
import type { Bench } from "../support/bench.ts";
import { assertSent, startCollector } from "../support/collector.ts";
import { type Comparison, comparisonTable, figuresOf, rounded } from "../support/comparison.ts";
import { divideCores } from "../support/cores.ts";
import { installPeers } from "../support/install-peers.ts";
import { startLoadGenerator } from "../support/load-generator.ts";
import { machineLine, watchIdle } from "../support/machine.ts";
import { cellTable, heldBack, measure, type Plan, planLine } from "../support/rounds.ts";
import { workerdVersion } from "../support/workerd.ts";
import { createCells } from "./cells.ts";
import { CLIENTS, createClients, SAMPLING_RATIO } from "./clients.ts";
import { assertValid } from "./probe.ts";
import { EXPORTING, startServers } from "./servers.ts";
import { KEY_SET_PATH, startStandIn } from "./stand-in.ts";
import { STOCK_DESCRIPTION } from "./stock.ts";
import { keyRecords, startStore } from "./store.ts";
import { AUDIENCE, createTokenIssuer, ISSUER } from "./tokens.ts";

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
  // Both export what they sample, so that they do the same work.
  { key: "chain_vs_stock", cell: "traced", base: "stock", of: "throughput", atLeast: 3 },
  { key: "chain_cpu_vs_stock", cell: "traced", base: "stock", of: "cpu" },
];
const GOALS = { bundle_gzip_kib: { atMost: 128 } };
const KIB = 1_024;

export const benchEdge: Bench = async ({ isQuick, signal, onProgress }) => {
  const plan = isQuick ? QUICK : FULL;
  await installPeers(signal, onProgress);
  const stops = new CleanupStack();
  try {
    const folder = await mkdtemp(join(tmpdir(), "breakwater-bench-edge-"));
    stops.add(() => rm(folder, { recursive: true, force: true }));
    onProgress("bundling the edge …");
    const bundle = await bundleEdge(signal, join(folder, "bundle"));
    const cores = await divideCores();
    stops.add(() => cores.release());

    onProgress("starting the servers …");
    const store = await startStore(stops, signal);
    const collector = await startCollector(stops, signal);
    const issuer = createTokenIssuer();
    const clients = createClients();
    const standIn = await startStandIn(keyRecords(clients), issuer.keySet, signal);
    stops.add(() => standIn.stop());
    const originUrl = `http://127.0.0.1:${standIn.port}`;
    const tokenSettings = {
      JWT_ISSUER: ISSUER,
      JWT_AUDIENCE: AUDIENCE,
      JWT_JWKS_URL: `${originUrl}${KEY_SET_PATH}`,
    };
    const processes = await startServers(
      { bundle, store, clients, originUrl, tokenSettings, collector, cores, folder, signal },
      stops,
    );

    onProgress("verifying the servers …");
    const cells = createCells(clients, issuer).map((cell) => ({ ...cell, process: processes[cell.server] }));
    for (const cell of cells) await assertValid(cell, store, clients);

    const load = startLoadGenerator();
    stops.add(() => load.close());
    const idle = watchIdle();
    const { measurements } = await measure({ groups: [cells], load, plan, signal, onProgress });
    const machine = machineLine(idle());
    await assertSent(collector, EXPORTING);
    const kib = gzipSync(await readFile(bundle.path), { level: 9 }).byteLength / KIB;
    const others = { bundle_gzip_kib: rounded(kib) };
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
          `limits are enforced, and high enough to reject no request; ${store.description} behind the bridge`,
          STOCK_DESCRIPTION,
          `"exported": ${100 * SAMPLING_RATIO} % of the traces go to a local collector, and the chain's metrics; the other cells export nothing`,
          machine,
        ].join("\n"),
      ].join("\n\n"),
    };
  } finally {
    await stops.runAll();
  }
};
