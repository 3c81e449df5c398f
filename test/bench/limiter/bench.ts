/**
 * `npm run bench limiter`: the leased limiter against @upstash/ratelimit, on one Redis behind one bridge, with a round trip
 * between.
 */
import { LocalError } from "../../../src/local/local-error.ts";
import type { Bench } from "../support/bench.ts";
import { goalText, rounded, verdict } from "../support/comparison.ts";
import { installPeers } from "../support/install-peers.ts";
import { machineLine, watchIdle } from "../support/machine.ts";
import { startStore } from "../support/store.ts";
import { textTable } from "../support/table.ts";
import { type HangResult, hangTable, measureHang } from "./hang.ts";
import { FULL, loadCells, QUICK } from "./load-cells.ts";
import { DOLLARS_PER_MILLION_COMMANDS, type LoadResult, loadTables, measureLoad } from "./loads.ts";
import { LEASE_MS, ours } from "./ours.ts";
import { upstash } from "./upstash.ts";

/** Marks a figure in which another contestant is better. */
const MARK = "!";
/** It calls a hanging store once per window, and so keeps the fewest requests waiting. */
const BEST_WHILE_HANGING = "cachedFixedWindow";

interface Measured {
  readonly loads: readonly LoadResult[];
  readonly hangs: readonly HangResult[];
}

const worst = (values: readonly number[]): number => (values.length === 0 ? Number.NaN : Math.max(...values));

const worstHot = ({ loads }: Measured, of: (result: LoadResult) => number): number =>
  worst(loads.filter(({ cell }) => cell.group === "hot").map(of));

/** The admitted requests of each cell, divided by the promised ones. */
const boundRatios = ({ loads }: Measured): number[] =>
  loads.map((result) => Math.max(result.aboveVsBound ?? 0, result.mostInWindow / result.promised));

/** The figures of one contestant; NaN if not measured. */
const sharedFigures = (measured: Measured): Readonly<Record<string, number>> => ({
  hot_round_trips_per_request: worstHot(measured, (result) => result.tripsPerRequest),
  hot_commands_per_request: worstHot(measured, (result) => result.commandsPerRequest),
  warm_added_p99_ms: worstHot(measured, (result) => result.p99Ms),
  max_admitted_vs_bound: worst(boundRatios(measured)),
  false_denials: worst(
    measured.loads
      .filter(({ cell }) => cell.group === "zipf")
      .map(({ falselyRefused, requests }) => (100 * falselyRefused) / requests),
  ),
  store_hang_max_wait_ms: worst(measured.hangs.map(({ longestMs }) => longestMs)),
});

/** For sums of fractions. */
const ROUNDING = 1e-6;

const ownFigures = (measured: Measured): Readonly<Record<string, number>> => ({
  ...sharedFigures(measured),
  warm_store_waits: worstHot(measured, ({ waits }) => waits),
  bound_exceeded: boundRatios(measured).filter((ratio) => ratio > 1 + ROUNDING).length,
});

const GOALS: Readonly<Record<string, number>> = {
  hot_round_trips_per_request: 0.1,
  hot_commands_per_request: 0.3,
  warm_store_waits: 0,
  bound_exceeded: 0,
  false_denials: 5,
  store_hang_max_wait_ms: 200,
};

const ofContestant = ({ loads, hangs }: Measured, id: string): Measured => ({
  loads: loads.filter(({ contestant }) => contestant.id === id),
  hangs: hangs.filter(({ contestant }) => contestant.id === id),
});

interface Best {
  readonly algorithm: string;
  readonly value: number;
}

/** By the figure's name, the algorithm of @upstash/ratelimit that is best in it. */
const bestOf = (measured: Measured, algorithms: readonly string[]): ReadonlyMap<string, Best> => {
  const best = new Map<string, Best>();
  for (const algorithm of algorithms)
    for (const [name, value] of Object.entries(sharedFigures(ofContestant(measured, algorithm))))
      if (value < (best.get(name)?.value ?? Number.POSITIVE_INFINITY)) best.set(name, { algorithm, value });
  return best;
};

const goalsTable = (own: Readonly<Record<string, number>>, others: ReadonlyMap<string, Best>): string =>
  textTable(
    ["figure", "Breakwater", "goal", "", "ratelimit's best", "which is"],
    Object.entries(own).map(([name, figure]) => {
      const most = GOALS[name];
      const goal = most === undefined ? {} : { atMost: most };
      const best = others.get(name);
      return [
        name,
        `${best !== undefined && best.value < figure ? MARK : ""}${rounded(figure)}`,
        goalText(goal),
        verdict(figure, goal),
        best === undefined ? "–" : String(rounded(best.value)),
        best?.algorithm ?? "–",
      ];
    }),
  );

const NOTES: readonly string[] = [
  `${MARK}: an algorithm of @upstash/ratelimit is better in that figure, as printed`,
  `w: the limit's window; N: its tokens per window. Breakwater: capacity N, refill N per w, leases of ${LEASE_MS} ms`,
  "÷ promise: the most in any window of length w, divided by the promise: Breakwater capacity + refill × (w + lease); tokenBucket N + N; others N",
  "logged when decisions are made: while this process is blocked (see sent late) they come together, and a window has more than the store admitted in it",
  "burst ÷ bound: the most in any window beyond its refill, divided by capacity + refill × lease",
  "falsely: rejected although the exact log of admitted requests had room: a bucket's for Breakwater and tokenBucket, any window's N for others; of all requests",
  "tokenBucket gets N ÷ 10 each w ÷ 10. Every peer has its ephemeral cache, and @upstash/redis its automatic pipelining; no analytics, no protection",
  "the peer's timeout is its default, 5 s, after which it admits",
  "its scripts' first line, `#!lua flags=allow-key-locking`, which a stock Redis rejects, is removed; hashes are mapped, so that none costs a second trip",
  "trips: HTTP requests to the bridge; a pipeline is one",
  "cmds: calls of all commands in Redis's commandstats, including those within scripts, without info, config, ping, client, hello, select, auth, command",
  `$/million req: commands, at ${DOLLARS_PER_MILLION_COMMANDS} dollars a million, Upstash's price per command`,
  "waited: took at least half a round trip, or (Breakwater) the store was called for this request; after the warm-up",
  "p50, p99: from when a request was due to its decision, including this process's event loop; sent late: the p99 of the load's own delay, included there",
];

export const benchLimiter: Bench = async (options) => {
  const { isQuick, signal, onProgress } = options;
  const plan = isQuick ? QUICK : FULL;
  await installPeers(options);
  const others = upstash(await import("../peers/ratelimit.mjs"));
  const contestants = [ours, ...others];
  const idle = watchIdle();
  const store = await startStore(options);
  if (store.redis.kind !== "redis-server")
    throw new LocalError("no Redis: this benchmark needs redis-server on the PATH");
  const surroundings = { store, signal };
  const loads: LoadResult[] = [];
  for (const cell of loadCells(plan)) {
    onProgress(`${cell.group} ${cell.title}`);
    loads.push(...(await measureLoad(cell, contestants, plan, surroundings)));
  }
  onProgress("the store hangs");
  const hangs: HangResult[] = [];
  for (const contestant of contestants)
    if (!isQuick || contestant.isOurs || contestant.id === BEST_WHILE_HANGING)
      hangs.push(await measureHang(contestant, plan.hangMs, surroundings));
  const measured = { loads, hangs };
  const own = ownFigures(ofContestant(measured, ours.id));
  const best = bestOf(
    measured,
    others.map(({ id }) => id),
  );
  const figures = Object.fromEntries([
    ...Object.entries(own).map(([name, value]) => [name, rounded(value)]),
    ...[...best].map(([name, { value }]) => [`upstash_${name}`, rounded(value)]),
  ]);
  const conditions = [
    ...NOTES,
    `${plan.turns} × ${plan.measureMs} ms a load and contestant, in turns${isQuick ? "; hang: only one of the peer's algorithms" : ""}`,
    `@upstash/ratelimit 2.2.0, @upstash/redis 1.39.0, Redis ${store.redis.version}`,
    machineLine(idle()),
  ];
  return {
    figures,
    report: [
      ...loadTables(loads),
      hangTable(hangs, plan.hangMs),
      goalsTable(own, best),
      conditions.join("\n"),
    ].join("\n\n"),
  };
};
