/**
 * `npm run bench guards`: what each guard of the edge adds to a request that passes it. A Worker in `workerd serve` has the
 * edge cut short after each guard; a guard's figure is the difference from the guard before it, within a round.
 *
 * The time of a request is the processor time of the server, from its rest before the request to its rest after the response.
 * A guard that needs no round trip adds as much to the response's time, but the clock on the wall also has what other
 * processes take: with two cores and other work, that is a hundred times as much as a guard costs. workerd's own clocks
 * advance in steps of a millisecond. One isolate has all stages, because two processes of the same program differ by more than
 * a guard costs, and the requests of all stages follow each other one by one. The origin's response is made in the Worker.
 */
import { join } from "node:path";
import { bundleEdge } from "../../../src/local/edge.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { startIssuer } from "../../support/issuer.ts";
import { longBlocklist } from "../edge/blocked.ts";
import { createClients } from "../edge/clients.ts";
import { assertAnswered } from "../edge/probe.ts";
import { keyRecords } from "../edge/published.ts";
import { startWorker } from "../edge/servers.ts";
import { startStandIn } from "../edge/stand-in.ts";
import { type Bench, createFolder } from "../support/bench.ts";
import { startCollector } from "../support/collector.ts";
import { type Figures, rounded } from "../support/comparison.ts";
import { divideCores } from "../support/cores.ts";
import { machineLine, watchIdle } from "../support/machine.ts";
import { median, percentile } from "../support/statistics.ts";
import { startStore } from "../support/store.ts";
import { textTable } from "../support/table.ts";
import { bundleWorker } from "../support/worker-scripts.ts";
import { workerdVersion } from "../support/workerd.ts";
import { addedBy, addedText, type Sample } from "./added.ts";
import { createCells } from "./cells.ts";
import { measureTurn, type RequestTimes } from "./interleaved.ts";
import { openProcessClock } from "./process-clock.ts";
import { assertGuarded } from "./verify.ts";

interface Plan {
  readonly rounds: number;
  /** Requests of each cell in a round. */
  readonly requests: number;
}

const FULL: Plan = { rounds: 25, requests: 400 };
const QUICK: Plan = { rounds: 9, requests: 200 };
const WARM_UP_REQUESTS = 1_000;

/** Few, so that hardly any request waits for a key or a lease. */
const CLIENTS = 8;

interface Row {
  readonly key: string;
  readonly title: string;
  readonly cell: string;
  readonly base: string;
}

/** In the order of a request. */
const ROWS: readonly Row[] = [
  { key: "context", title: "before the guards: id, metrics, CORS", cell: "context", base: "bare" },
  { key: "blocklist", title: "blocklist, 100,000 entries", cell: "blocklist", base: "context" },
  { key: "screening", title: "screening", cell: "screening", base: "blocklist" },
  { key: "route", title: "route and policy", cell: "routePolicy", base: "screening" },
  { key: "api_key", title: "authentication: API key", cell: "auth", base: "routePolicy" },
  { key: "jwt", title: "authentication: JWT seen before", cell: "token", base: "no_token" },
  { key: "new_jwt", title: "authentication: new JWT (ES256)", cell: "new_token", base: "no_token" },
  { key: "deprecation", title: "deprecation: a route that is not", cell: "deprecation", base: "auth" },
  { key: "limit", title: "rate limit", cell: "rateLimit", base: "deprecation" },
  { key: "no_body", title: "body limit: no body", cell: "bodyLimit", base: "rateLimit" },
  { key: "body", title: "body limit: 1 KiB", cell: "read", base: "unread" },
  { key: "cache_miss", title: "response cache: miss", cell: "miss", base: "forwarded" },
  { key: "signature", title: "signature", cell: "signature", base: "bodyLimit" },
  { key: "origin", title: "fields, choice of origin, attempt", cell: "origin", base: "signature" },
  { key: "all", title: "all of it, API key", cell: "origin", base: "bare" },
  { key: "cache_hit", title: "response cache: hit (no way to an origin)", cell: "hit", base: "uncached" },
];

const QUANTITIES = {
  p50: (timesUs) => percentile(timesUs, 50),
  p99: (timesUs) => percentile(timesUs, 99),
  mean: (timesUs) => timesUs.reduce((sum, us) => sum + us, 0) / timesUs.length,
} as const satisfies Readonly<Record<string, (timesUs: readonly number[]) => number>>;
const QUANTITY_NAMES = ["p50", "p99", "mean"] as const satisfies readonly (keyof typeof QUANTITIES)[];
type Samples = Readonly<Record<keyof typeof QUANTITIES, readonly Sample[]>>;

const samplesOf = (rounds: readonly RequestTimes[]): Samples => {
  const of = (quantity: keyof typeof QUANTITIES): Sample[] =>
    rounds.flatMap((times, round) =>
      [...times].map(([cell, timesUs]) => ({ round, cell, us: QUANTITIES[quantity](timesUs) })),
    );
  return { p50: of("p50"), p99: of("p99"), mean: of("mean") };
};

const guardTable = (samples: Samples): string =>
  textTable(
    ["added to a passed request, µs", "p50", "p99", "mean"],
    ROWS.map((row) => [
      row.title,
      ...QUANTITY_NAMES.map((quantity) => addedText(addedBy(samples[quantity], row))),
    ]),
  );

const figuresOf = (samples: Samples): Figures =>
  Object.fromEntries(
    ROWS.flatMap((row) =>
      QUANTITY_NAMES.map((quantity) => {
        const added = addedBy(samples[quantity], row);
        return [`${row.key}_${quantity}_us`, added === undefined ? null : rounded(added.us)];
      }),
    ),
  );

const bareLine = (samples: Samples): string => {
  const own = QUANTITY_NAMES.map((quantity) => {
    const values = samples[quantity].flatMap(({ cell, us }) => (cell === "bare" ? [us] : []));
    return `${quantity} ${values.length === 0 ? "–" : median(values).toFixed(0)}`;
  });
  return `a bare Hono application in the same Worker, µs: ${own.join(", ")}`;
};

export const benchGuards: Bench = async (options) => {
  const { isQuick, signal, onProgress } = options;
  const plan = isQuick ? QUICK : FULL;
  const folder = await createFolder(options);
  onProgress("bundling the edge …");
  const bundle = await bundleEdge(signal, join(folder, "bundle"));
  const script = await bundleWorker({ entryPoints: [join(projectFolder, "test/bench/guards/worker.ts")] });
  const cores = await divideCores(options);

  onProgress("starting the server …");
  const store = await startStore(options);
  const collector = await startCollector(options);
  const issuer = await startIssuer();
  options.stops.add(issuer.stop);
  const clients = createClients().slice(0, CLIENTS);
  const standIn = await startStandIn(keyRecords(clients), options);
  const originUrl = `http://127.0.0.1:${standIn.port}`;
  const groups = await createCells(clients, issuer);
  const [readyRequest = ""] = (await groups[0]?.[0]?.texts(1)) ?? [];
  const stage = { bundle, store, clients, originUrl, collector, cores, folder, readyRequest };
  const process = await startWorker(
    { id: "guards", script, environment: issuer.environment, blocklist: longBlocklist() },
    stage,
    options,
  );
  onProgress("verifying the stages …");
  const { port } = process;
  for (const { id, texts } of groups.flat())
    await assertAnswered(id, port, (await texts(clients.length)).slice(0, clients.length));
  await assertGuarded(port, clients);

  const clock = openProcessClock(process.pid, options);
  const idle = watchIdle();
  const measureRound = async (count: number): Promise<RequestTimes> => {
    const all = new Map<string, readonly number[]>();
    for (const cells of groups)
      for (const [id, timesUs] of await measureTurn({ port, clock, cells, count }, options))
        all.set(id, timesUs);
    return all;
  };
  onProgress("warming up …");
  await measureRound(WARM_UP_REQUESTS);
  const rounds: RequestTimes[] = [];
  while (rounds.length < plan.rounds) {
    onProgress(`round ${rounds.length + 1} of ${plan.rounds} …`);
    rounds.push(await measureRound(plan.requests));
  }
  const samples = samplesOf(rounds);
  return {
    figures: figuresOf(samples),
    report: [
      guardTable(samples),
      [
        '"12 (10 – 14)": the median of the rounds, and the interval that has the true one with 95 % (one of twenty does not); "< 3": within the noise',
        bareLine(samples),
        `${plan.rounds} rounds of ${plan.requests} requests each, one after the other on one connection`,
        `${await workerdVersion()}, ${cores.description}; ${store.redis.kind} ${store.redis.version} behind the bridge`,
        machineLine(idle()),
      ].join("\n"),
    ].join("\n\n"),
  };
};
