/**
 * `soak`: a constant open load through the edge for many minutes, and what the processes use meanwhile. Nothing may grow:
 * memory, open files and handles of workerd and of both origins are flat (`isFlat`) over the last two thirds of the run, which
 * leaves the first one for caches and compilers to warm up. Security events are caused all the time; each reaches the SIEM.
 */
import { setTimeout as pause } from "node:timers/promises";
import { startLoadGenerator } from "../../bench/support/load-generator.ts";
import { startWorld, type World } from "../world.ts";
import { startAbuse } from "./abuse.ts";
import { mixedRequests } from "./mixed-requests.ts";
import {
  addTrace,
  describeFailed,
  failedCount,
  MAX_IDLE_MS,
  noRequests,
  type Outcome,
  percentileOf,
  type Requests,
  type Running,
} from "./outcome.ts";
import { addProducts, createPrincipals } from "./principals.ts";
import { createHeapProbe, type HeapProbe } from "./process-sample.ts";
import { countOutbox, startSampler } from "./sampler.ts";
import { growthOf, trendTable } from "./series.ts";

export interface SoakOptions {
  readonly minutes: number;
  /** Requests per second. */
  readonly rate: number;
}

const PRINCIPALS = 60;
const PRODUCTS = 20;
const CONNECTIONS = 20;
const TURN_MS = 60_000;
/** Requests are prepared for more than a turn's mean, because their times are random. */
const HEADROOM = 1.2;
/** An adaptive limit may shed a request when a shared disk stalls. */
const MAX_FAILED_SHARE = 0.001;
const MAX_OUTBOX_MS = 10_000;
const POLL_MS = 100;

/**
 * What V8 sets in the image's container of 512 MiB: 358 MiB for old objects, and 1 MiB for each half of the new ones. Without a
 * container it takes what the machine has, and keeps freed pages, so the RSS depends on the machine, not on the program.
 */
const HEAP_OF_POD = "--max-old-space-size=358 --max-semi-space-size=1";

/** Restarts the origins with a pod's heap and a probe each. */
const probeOrigins = async ({ origins }: World): Promise<HeapProbe[]> => {
  const probes: HeapProbe[] = [];
  for (const origin of origins) {
    const probe = await createHeapProbe();
    await origin.stop();
    const { NODE_OPTIONS = "" } = probe.environment;
    await origin.start({ ...probe.environment, NODE_OPTIONS: `${NODE_OPTIONS} ${HEAP_OF_POD}` });
    probes.push(probe);
  }
  return probes;
};

/** @returns milliseconds until the outbox had no row; undefined if it still had one after the time for that */
const untilOutboxEmpty = async (world: World): Promise<number | undefined> => {
  const startMs = performance.now();
  while (performance.now() - startMs < MAX_OUTBOX_MS) {
    if ((await countOutbox(world)) === 0) return performance.now() - startMs;
    await pause(POLL_MS);
  }
  return undefined;
};

interface Sent {
  readonly requests: Requests;
  /** False if the load has ended early. */
  readonly isWhole: boolean;
}

const sendAll = async (
  world: World,
  { minutes, rate }: SoakOptions,
  { cleanups, signal, onProgress }: Running,
): Promise<Sent> => {
  const requests = noRequests();
  const generator = startLoadGenerator({ signal, stops: cleanups });
  const principals = await createPrincipals(world, PRINCIPALS);
  const productIds = await addProducts(world.edgeUrl, principals, PRODUCTS);
  const load = { edgeUrl: world.edgeUrl, principals, productIds };
  const prepare = () => mixedRequests(load, Math.ceil((HEADROOM * rate * TURN_MS) / 1_000));
  const untilMs = performance.now() + minutes * 60_000;
  const port = Number(new URL(world.edgeUrl).port);
  for (
    let next = prepare(), leftMs = minutes * 60_000;
    leftMs >= 1_000;
    leftMs = untilMs - performance.now()
  ) {
    const lastsMs = Math.min(TURN_MS, Math.ceil(leftMs));
    const turn = { port, connections: CONNECTIONS, perSecond: rate, lastsMs, maxIdleMs: MAX_IDLE_MS };
    const running = generator.run({ ...turn, requests: next });
    next = prepare();
    const trace = await running.catch((error: unknown) => {
      signal.throwIfAborted();
      onProgress(`the load generator did not answer in time: ${String(error)}`);
      return undefined;
    });
    // What was sampled until then still counts.
    if (trace === undefined) return { requests, isWhole: false };
    addTrace(requests, trace);
    const p99 = percentileOf([...trace.latencyMs], 99).toFixed(0);
    onProgress(
      `${((performance.now() - untilMs) / 60_000 + minutes).toFixed(0)} min: ${requests.latenciesMs.length} requests, p99 of the last minute ${p99} ms, failed: ${describeFailed(requests)}`,
    );
  }
  return { requests, isWhole: true };
};

export const soak = async (options: SoakOptions, running: Running): Promise<Outcome> => {
  const world = await startWorld(running.cleanups);
  const probes = await probeOrigins(world);
  const abuse = await startAbuse(world);
  const sampler = startSampler(world, probes);
  let sent: Sent;
  let samples: Awaited<ReturnType<typeof sampler.stop>>;
  try {
    sent = await sendAll(world, options, running);
  } finally {
    await abuse.stop();
    samples = await sampler.stop();
  }
  const emptyMs = await untilOutboxEmpty(world);
  const events = await abuse.awaitEvents();
  const rows = await countOutbox(world);
  const series = growthOf(samples);
  const { requests, isWhole } = sent;
  const { latenciesMs, lagsMs, failed } = requests;
  const [p50Ms, p99Ms, lagMs] = [
    percentileOf(latenciesMs, 50),
    percentileOf(latenciesMs, 99),
    percentileOf(lagsMs, 99),
  ];
  const depths = samples.map(({ outbox }) => outbox);
  const failedShare = failedCount(requests) / latenciesMs.length;
  const broken = [
    ...(isWhole ? [] : ["the load ended early"]),
    ...series.filter(({ isFlat }) => !isFlat).map(({ name }) => `grows: ${name}`),
    ...(emptyMs === undefined ? [`the outbox was not empty ${MAX_OUTBOX_MS / 1_000} s after the load`] : []),
    ...(rows > 0 ? [`${rows} rows stayed in the outbox`] : []),
    ...events.missing,
    ...(failedShare > MAX_FAILED_SHARE ? [`${(100 * failedShare).toFixed(2)} % of the requests failed`] : []),
  ];
  const report = [
    `soak: ${latenciesMs.length} requests in ${options.minutes} min at ${options.rate}/s, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`,
    `failed: ${describeFailed(requests)}`,
    `sent late: p99 ${lagMs.toFixed(1)} ms`,
    `outbox: ${percentileOf(depths, 50)} rows at the median, ${Math.max(...depths)} at most, ${emptyMs === undefined ? "not empty" : `empty ${(emptyMs / 1_000).toFixed(1)} s`} after the load`,
    `security events: ${events.arrived} of ${events.expected} reached the SIEM`,
    "",
    trendTable(series),
  ].join("\n");
  const figures = {
    requests: latenciesMs.length,
    failed: Object.fromEntries(failed),
    ...{ p50Ms, p99Ms, lagMs, outboxEmptyMs: emptyMs, events, series },
  };
  return { report, figures, broken };
};
