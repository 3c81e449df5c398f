/**
 * `restarts`: as in a rolling update of Kubernetes, one origin after the other is replaced (a new one is ready before the old
 * one ends; the Service follows) while keep-alive clients place orders, half of them with an Idempotency-Key. No request may
 * fail, and each order is in the database exactly once.
 */
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../../src/local/free-port.ts";
import { type LocalOrigin, startOrigin } from "../../../src/local/origin.ts";
import { type Service, startService } from "../../support/service.ts";
import { startWorld, type World } from "../world.ts";
import { type OrderClients, type Placed, startOrderClients } from "./order-clients.ts";
import { describeFailed, failedCount, type Outcome, percentileOf, type Running } from "./outcome.ts";
import { addProducts, createPrincipals } from "./principals.ts";

export interface RestartOptions {
  /** Origins that are replaced, at least. */
  readonly times: number;
  /** Requests, at least. */
  readonly requests: number;
}

const ORIGINS = 2;
/** More than the clients, so that no principal reaches its limit. */
const PRINCIPALS = 120;
const PRODUCTS = 24;
const PROGRESS_EVERY = 10;
const POLL_MS = 50;

interface Fleet {
  readonly service: Service;
  /** Replaces the oldest origin. @throws LocalError if the new one does not start */
  replace(): Promise<void>;
  /** Old origins that did not exit with 0, a line each. */
  readonly faults: readonly string[];
}

/** Two origins behind a Service, which the edge uses instead of those of the world. */
const startFleet = async (world: World, { cleanups }: Running): Promise<Fleet> => {
  const service = await startService();
  cleanups.add(() => service.stop());
  const running: LocalOrigin[] = [];
  const faults: string[] = [];
  let started = 0;
  const add = async (): Promise<void> => {
    started += 1;
    const environment = {
      ...world.originEnvironment,
      ORIGIN_AUTHORITIES: new URL(service.url).host,
      // The Service's probes see within 100 ms that it is no longer ready.
      PRE_STOP: "1s",
    };
    const origin = await startOrigin({ name: `origin ${started}`, port: await freePort(), environment });
    cleanups.add(() => origin.kill());
    await service.add(origin.url);
    running.push(origin);
  };
  for (let n = 0; n < ORIGINS; n += 1) await add();
  await world.restartEdge({ ORIGINS: service.url });
  await Promise.all(world.origins.map((origin) => origin.stop()));
  return {
    service,
    faults,
    replace: async () => {
      await add();
      const old = running.shift();
      if (old === undefined) return;
      await old.stop();
      service.remove(old.url);
      const { code, signal } = await old.exited;
      if (code !== 0) faults.push(`${old.name} ended with ${code ?? signal}`);
    },
  };
};

/** Orders that were acknowledged and are missing, or are there without an acknowledgment. */
const compareOrders = async ({ pool }: World, placed: readonly Placed[]): Promise<string[]> => {
  const stored = await pool.query<{ id: string }>("SELECT id FROM orders");
  const left = new Set(stored.map(({ id }) => id));
  const acknowledged = placed.flatMap(({ orderIds }) => orderIds);
  const missing = acknowledged.filter((id) => !left.delete(id)).length;
  return [
    ...(missing > 0 ? [`${missing} orders are lost, or were given to two requests`] : []),
    ...(left.size > 0 ? [`${left.size} orders are there without a response that says so`] : []),
  ];
};

const describe = (title: string, { requests }: Placed): string => {
  const { latenciesMs } = requests;
  const [p50, p99] = [percentileOf(latenciesMs, 50), percentileOf(latenciesMs, 99)];
  return `${title}: ${latenciesMs.length} requests, failed: ${describeFailed(requests)}; p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
};

const replaceUntil = async (
  { times, requests }: RestartOptions,
  fleet: Fleet,
  clients: OrderClients,
  { signal, onProgress }: Running,
): Promise<number> => {
  const startMs = performance.now();
  let restarts = 0;
  // Evenly, so that every restart meets requests, and no request waits for a machine that only starts processes.
  const due = (): boolean => clients.count() * times >= restarts * requests;
  while (restarts < times || clients.count() < requests) {
    signal.throwIfAborted();
    if (restarts >= times || !due()) {
      await pause(POLL_MS);
      continue;
    }
    await fleet.replace();
    restarts += 1;
    if (restarts % PROGRESS_EVERY !== 0) continue;
    const failed = failedCount(clients.throughEdge.requests) + failedCount(clients.throughService.requests);
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
    onProgress(`${seconds} s: ${restarts} restarts, ${clients.count()} requests, ${failed} failed`);
  }
  return restarts;
};

export const restarts = async (options: RestartOptions, running: Running): Promise<Outcome> => {
  const world = await startWorld(running.cleanups);
  const fleet = await startFleet(world, running);
  const principals = await createPrincipals(world, PRINCIPALS);
  const productIds = await addProducts(world.edgeUrl, principals, PRODUCTS);
  const startMs = performance.now();
  const clients = startOrderClients(world, fleet.service.url, principals, productIds);
  let restarted = 0;
  try {
    restarted = await replaceUntil(options, fleet, clients, running);
  } finally {
    await clients.stop();
  }
  const durationS = (performance.now() - startMs) / 1_000;
  const { throughEdge, throughService } = clients;
  const failed = failedCount(throughEdge.requests) + failedCount(throughService.requests);
  const unmatched = await compareOrders(world, [throughEdge, throughService]);
  const total = clients.count();
  const report = [
    `restarts: ${restarted} origins replaced in ${(durationS / 60).toFixed(1)} min, ${failed} of ${total} requests failed, ${(total / durationS).toFixed(0)} requests/s`,
    describe("through the edge", throughEdge),
    describe("straight through the Service", throughService),
    `orders: ${throughEdge.orderIds.length + throughService.orderIds.length} acknowledged, ${unmatched.length === 0 ? "each is there once" : unmatched.join("; ")}`,
  ].join("\n");
  const figuresOf = ({ requests, orderIds }: Placed) => ({
    ...{ requests: requests.latenciesMs.length, failed: Object.fromEntries(requests.failed) },
    ...{ p50Ms: percentileOf(requests.latenciesMs, 50), p99Ms: percentileOf(requests.latenciesMs, 99) },
    orders: orderIds.length,
  });
  const figures = {
    ...{ restarts: restarted, durationS, requests: total, failed },
    throughEdge: figuresOf(throughEdge),
    throughService: figuresOf(throughService),
  };
  const broken = [...(failed > 0 ? [`${failed} requests failed`] : []), ...unmatched, ...fleet.faults];
  return { report, figures, broken };
};
