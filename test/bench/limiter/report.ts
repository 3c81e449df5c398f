/** What is told to people. */
import { textTable } from "../support/table.ts";
import { type Best, GOALS, type Measured } from "./figures.ts";
import { hangTable } from "./hang.ts";
import type { Group } from "./load-cells.ts";
import { loadTable } from "./load-tables.ts";
import { MARK } from "./marked-table.ts";
import { LEASE_MS } from "./ours.ts";
import type { Plan } from "./plan.ts";
import { simulatedTable } from "./simulated.ts";

const GROUPS: readonly Group[] = ["hot", "over", "zipf", "edge", "weighted", "dying"];

const verdict = (figure: number, goal: number | undefined): string =>
  goal === undefined ? "" : figure <= goal ? "met" : "MISSED";

const written = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(3));

const goalsTable = (figures: Readonly<Record<string, number>>, others: ReadonlyMap<string, Best>): string =>
  textTable(
    ["figure", "Breakwater", "goal", "", "ratelimit's best", "which is"],
    Object.entries(figures).map(([name, figure]) => {
      const goal = GOALS[name];
      const best = others.get(name);
      return [
        name,
        `${best !== undefined && best.value < figure ? MARK : ""}${written(figure)}`,
        goal === undefined ? "–" : `≤ ${goal}`,
        verdict(figure, goal),
        best === undefined ? "–" : written(best.value),
        best?.algorithm ?? "–",
      ];
    }),
  );

const NOTES: readonly string[] = [
  `${MARK}: an algorithm of the opponent's is better in that figure, as it is written`,
  `w: the limit's window; N: its tokens a window. Breakwater: capacity N, refill N a w, leases of ${LEASE_MS} ms`,
  "÷ promise: the most that any window of length w had over what is promised of it: Breakwater capacity + refill × (w + lease); tokenBucket N + N; others N",
  "it is logged when verdicts are given: where this process stands still (sent late tells) they come together, and a window has more than the store let through in it",
  "burst ÷ bound: the most that any window at all had beyond its refill, over capacity + refill × lease",
  "falsely: refused though the exact log of what was admitted (by when verdicts were given) had room: a bucket's for Breakwater and tokenBucket, any window's N for others; of all requests",
  "exact: what one bucket would have admitted that decides all when it is due",
  "tokenBucket gets N ÷ 10 each w ÷ 10. Every opponent has its ephemeral cache, and @upstash/redis its automatic pipelining; no analytics, no protection",
  "the opponent's timeout is its default, 5 s, after which it admits: that is what its users get",
  "its scripts' first line, `#!lua flags=allow-key-locking`, which a stock Redis refuses, is stripped for it; their names are mapped, so that none costs a second trip",
  "trips: HTTP requests that came to the bridge; a pipeline is one",
  "cmds: calls of all commands in Redis's commandstats, those within scripts too, but info, config, ping, client, hello, select, auth, command",
  "waited: took at least half a round trip, or (Breakwater) the store was asked for this very request; after the warm-up",
  "p50, p99: from when a request was due to its verdict, this process's own event loop included; sent late: the p99 of what the load itself was late by, in those; p99 sent: from when it was sent",
  "simulated: Breakwater's own limiter on a simulated clock, round trips of 40 ms ± 20 %; the opponent is not simulated",
];

/** Where there were such: they say more of the machine than of the limiter. */
const withoutStore = ({ loads }: Measured): string[] => {
  const some = loads.filter((result) => result.withoutStore > 0);
  if (some.length === 0) return [];
  const told = some.map(
    ({ cell, contestant, withoutStore: count, allRequests }) =>
      `${cell.group} ${cell.title} ${contestant.title} ${count} of ${allRequests}`,
  );
  return [`verdicts given without the store, which did not answer in time: ${told.join(", ")}`];
};

export const reportOf = (
  measured: Measured,
  figures: Readonly<Record<string, number>>,
  others: ReadonlyMap<string, Best>,
  plan: Plan,
  conditions: readonly string[],
): string =>
  [
    ...GROUPS.map((group) => loadTable(group, measured.loads)),
    hangTable(measured.hangs, plan),
    simulatedTable(measured.simulated),
    goalsTable(figures, others),
    [...NOTES, ...withoutStore(measured), ...conditions].join("\n"),
  ].join("\n\n");
