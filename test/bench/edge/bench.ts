/**
 * `npm run bench edge`: what the edge costs per request. The Worker as deployed, in `workerd serve`, against one that only
 * forwards and against the stock stack. All run all the time and take turns under load. The result is the ratio within a
 * round, because other work on the machine then affects both.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { bundleEdge, type EdgeBundle } from "../../../src/local/edge.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import type { Bench } from "../support/bench.ts";
import { divideCores } from "../support/cores.ts";
import { watchIdle } from "../support/idle-share.ts";
import { installPeers } from "../support/install-peers.ts";
import { startLoadGenerator } from "../support/load-generator.ts";
import { rawRequest } from "../support/request-batch.ts";
import { startServer } from "../support/server-process.ts";
import { startSpanSink } from "../support/span-sink.ts";
import { workerdVersion } from "../support/workerd.ts";
import { KEY_SET_PATH } from "./answer.ts";
import { createCells } from "./cells.ts";
import { CLIENTS, type Client, createClients, SAMPLING_RATIO } from "./clients.ts";
import { figuresOf } from "./goals.ts";
import { assertExported, probe } from "./probe.ts";
import { reportOf } from "./report.ts";
import { FULL, measure, type Plan, QUICK } from "./rounds.ts";
import { startServers } from "./servers.ts";
import { STOCK_DESCRIPTION } from "./stock.ts";
import { keyRecords, startStore } from "./store.ts";
import { AUDIENCE, createTokenIssuer, ISSUER } from "./tokens.ts";

const GZIP_LEVEL = 9;
const KIB = 1_024;

const bundleKib = async ({ path }: EdgeBundle): Promise<number> =>
  gzipSync(await readFile(path), { level: GZIP_LEVEL }).byteLength / KIB;

const startStandIn = async (clients: readonly Client[], keySet: string, signal: AbortSignal) =>
  await startServer({
    name: "the origin's stand-in",
    folder: projectFolder,
    args: [fileURLToPath(new URL("./stand-in.ts", import.meta.url))],
    environment: { KEYS: JSON.stringify(keyRecords(clients)), KEY_SET: keySet },
    port: await freePort(),
    readyRequest: async () => rawRequest({ method: "GET", target: "/", headers: { host: "127.0.0.1" } }),
    signal,
  });

const conditionsOf = (
  plan: Plan,
  store: string,
  cores: string,
  workerd: string,
  idleShare: number,
): string[] => [
  `${plan.rounds} rounds, ${plan.measureMs} ms a turn, ${plan.connections} connections; medians of the rounds, ratios within a round`,
  `${CLIENTS} clients with one key each, GET /v1/orders/:id with 10 header fields; the stand-in answers 200, an order, ten fields and Node's own`,
  `${workerd}, ${cores}; CPU is that of all its threads`,
  `limits are enforced, and high enough to reject no request; ${store} behind the bridge`,
  STOCK_DESCRIPTION,
  `"exported": ${100 * SAMPLING_RATIO} % of the traces go to a local collector, and the chain's metrics; the other cells export nothing`,
  `Node ${process.version} on ${cpus().length} × ${cpus()[0]?.model ?? "an unknown processor"}; ${(100 * idleShare).toFixed(0)} % of the machine was idle`,
];

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
    const spanSink = await startSpanSink();
    stops.add(() => spanSink.stop());
    const issuer = createTokenIssuer();
    const clients = createClients();
    const standIn = await startStandIn(clients, issuer.keySet, signal);
    stops.add(() => standIn.stop());
    const originUrl = `http://127.0.0.1:${standIn.port}`;
    const tokenSettings = {
      JWT_ISSUER: ISSUER,
      JWT_AUDIENCE: AUDIENCE,
      JWT_JWKS_URL: `${originUrl}${KEY_SET_PATH}`,
    };
    const processes = await startServers(
      {
        bundle,
        store,
        clients,
        originUrl,
        tokenSettings,
        spanSinkUrl: spanSink.url,
        cores,
        folder,
        signal,
      },
      stops,
    );

    onProgress("verifying the servers …");
    const cells = createCells(clients, issuer);
    const { measured, unmeasured } = await probe(cells, { processes, store, clients, onProgress });

    const load = startLoadGenerator();
    stops.add(() => load.close());
    const idle = watchIdle();
    const measurements = await measure({ cells: measured, load, plan, signal, onProgress });
    const idleShare = idle();
    await assertExported(spanSink.url);
    const figures = figuresOf(measurements, await bundleKib(bundle));
    const conditions = conditionsOf(
      plan,
      store.description,
      cores.description,
      await workerdVersion(),
      idleShare,
    );
    return { figures, report: reportOf({ cells, measurements, unmeasured, figures, conditions }) };
  } finally {
    await stops.runAll();
  }
};
