/**
 * `surge`: whether the system stays broken after its load was ten times as high for a while (metastability). A load that it
 * carries easily runs all the time; nine times as much comes on top of it and goes away. Within five seconds the base load must
 * be as fast as before, without an operator: no failure, and a p99 of at most three times the one before, or 500 ms.
 *
 * The origins are what is overloaded, as in production, where the platform scales the edge: their database is on the other side
 * of a slow network, and they run few requests at a time.
 */
import { setTimeout as pause } from "node:timers/promises";
import { startDoor } from "../../../src/local/door.ts";
import { type LoadGenerator, startLoadGenerator } from "../../bench/support/load-generator.ts";
import { isGood } from "../../bench/support/load-turn.ts";
import { textTable } from "../../bench/support/table.ts";
import { startWorld, type World } from "../world.ts";
import { type MixedLoad, mixedRequests } from "./mixed-requests.ts";
import { MAX_IDLE_MS, type Outcome, type Running } from "./outcome.ts";
import { addProducts, createPrincipals } from "./principals.ts";
import { judgeSurge, type SurgeVerdict } from "./surge-verdict.ts";

export interface SurgeOptions {
  /** The base load, requests per second. */
  readonly rate: number;
}

interface Variant {
  readonly title: string;
  /** Requests of the surge are for products that no cache has seen. */
  readonly isCold: boolean;
  /** As the surge begins. */
  readonly begin?: (world: World) => Promise<unknown>;
  /** As the surge ends. */
  readonly end?: (world: World) => Promise<unknown>;
}

const VARIANTS: readonly Variant[] = [
  { title: "as usual", isCold: false },
  // What is in the memory of the processes is of no use either.
  { title: "cold caches", isCold: true, begin: ({ redis }) => redis.run("FLUSHALL") },
  {
    title: "without Redis",
    isCold: false,
    begin: ({ redis }) => redis.kill(),
    end: ({ redis }) => redis.start("empty"),
  },
];

const FACTOR = 10;
/** Of each of the database's replies. */
const DATABASE_LAG_MS = 50;
/** Of each origin. An order takes about 0.2 s, so both serve about 20 requests/s that need the database. */
const CONCURRENT = "2";
const WARM_UP_MS = 10_000;
/** A variant begins with a system that has recovered from the one before. */
const MAX_WARM_UPS = 4;
const BEFORE_MS = 15_000;
const SURGE_MS = 20_000;
const AFTER_MS = 20_000;
const PRINCIPALS = 240;
const PRODUCTS = 20;
const COLD_PRODUCTS = 200;
const CONNECTIONS = 64;
/** Requests are prepared for more than the mean, because their times are random. */
const HEADROOM = 1.2;

interface Stage {
  readonly world: World;
  readonly signal: AbortSignal;
  readonly rate: number;
  readonly load: MixedLoad;
  readonly coldIds: readonly string[];
  readonly base: LoadGenerator;
  readonly surge: LoadGenerator;
}

/** Restarts the origins with a small capacity. */
const limitOrigins = async ({ origins, postgres }: World, { cleanups }: Running): Promise<void> => {
  const door = await startDoor(postgres.url);
  cleanups.add(() => door.stop());
  door.disturb({ lagMs: DATABASE_LAG_MS, lossShare: 0 });
  for (const origin of origins) {
    await origin.stop();
    await origin.start({
      DATABASE_URL: door.url,
      OVERLOAD_INITIAL_LIMIT: CONCURRENT,
      OVERLOAD_MIN_LIMIT: CONCURRENT,
      OVERLOAD_MAX_LIMIT: CONCURRENT,
    });
  }
};

const runVariant = async (
  { world, signal, rate, load, coldIds, base, surge }: Stage,
  { title, isCold, begin, end }: Variant,
): Promise<SurgeVerdict> => {
  const port = Number(new URL(world.edgeUrl).port);
  const turnOf = (from: MixedLoad, perSecond: number, lastsMs: number) => ({
    ...{ port, perSecond, lastsMs, connections: CONNECTIONS, maxIdleMs: MAX_IDLE_MS },
    requests: mixedRequests(from, Math.ceil((HEADROOM * perSecond * lastsMs) / 1_000)),
  });
  const surgeLoad = isCold ? { ...load, productIds: coldIds } : load;
  const surgeTurn = turnOf(surgeLoad, (FACTOR - 1) * rate, SURGE_MS);
  for (let turn = 0; turn < MAX_WARM_UPS; turn += 1) {
    const { status } = await base.run(turnOf(load, rate, WARM_UP_MS));
    if (status.every(isGood)) break;
  }
  let endedAtMs = 0;
  const sendSurge = async () => {
    await pause(BEFORE_MS, undefined, { signal });
    const change = async (): Promise<void> => {
      await begin?.(world);
      await pause(SURGE_MS, undefined, { signal });
      await end?.(world);
      endedAtMs = performance.timeOrigin + performance.now();
    };
    const [trace] = await Promise.all([surge.run(surgeTurn), change()]);
    return trace;
  };
  const baseTurn = turnOf(load, rate, BEFORE_MS + SURGE_MS + AFTER_MS);
  const [baseTrace, surgeTrace] = await Promise.all([base.run(baseTurn), sendSurge()]);
  return judgeSurge(title, baseTrace, surgeTrace, Math.max(endedAtMs, surgeTrace.untilMs));
};

const HEADER = [
  "surge",
  "p99 before",
  "offered/s",
  "served/s",
  "failed",
  "p99 in it",
  "back after",
  "p99 after",
  "sent late, p99",
];

const rowOf = (verdict: SurgeVerdict): string[] => {
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  return [
    verdict.title,
    ms(verdict.beforeP99Ms),
    verdict.offeredPerSecond.toFixed(0),
    verdict.servedPerSecond.toFixed(0),
    `${(100 * verdict.failedShare).toFixed(1)} %`,
    ms(verdict.duringP99Ms),
    `${verdict.recoveryS} s`,
    ms(verdict.afterP99Ms),
    ms(verdict.lagP99Ms),
  ];
};

export const surge = async ({ rate }: SurgeOptions, running: Running): Promise<Outcome> => {
  const { cleanups, signal, onProgress } = running;
  const world = await startWorld(cleanups);
  const principals = await createPrincipals(world, PRINCIPALS);
  const productIds = await addProducts(world.edgeUrl, principals, PRODUCTS);
  const coldIds = await addProducts(world.edgeUrl, principals, COLD_PRODUCTS);
  await limitOrigins(world, running);
  const [base, above] = [1, 2].map(() => startLoadGenerator({ signal, stops: cleanups }));
  if (base === undefined || above === undefined) throw new Error("there are two generators");
  const load = { edgeUrl: world.edgeUrl, principals, productIds };
  const stage: Stage = { world, signal, rate, load, coldIds, base, surge: above };
  const verdicts: SurgeVerdict[] = [];
  for (const variant of VARIANTS) {
    onProgress(`${rate} → ${FACTOR * rate} → ${rate} requests/s, ${variant.title} …`);
    verdicts.push(await runVariant(stage, variant));
  }
  return {
    report: [
      textTable(HEADER, verdicts.map(rowOf)),
      ...verdicts.flatMap(({ title, failures }) =>
        failures === "" ? [] : [`${title}, failed: ${failures}`],
      ),
      ...verdicts.flatMap(({ notes }) => notes),
    ].join("\n"),
    figures: { rate, factor: FACTOR, verdicts },
    broken: verdicts.flatMap(({ broken }) => broken),
  };
};
