/** An open load on one contestant, alone, with keys of its own: each request is made when it is due. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause, setImmediate as turn } from "node:timers/promises";
import { withTimeout } from "../../../src/lib/async.ts";
import { LocalError } from "../../../src/local/local-error.ts";
import type { BenchStore } from "../support/store.ts";
import type { Contestant, IsolateSetup, Rule, Verdict } from "./contestant.ts";
import { type Front, startFront } from "./front.ts";
import type { Arrival } from "./load-cells.ts";

/** Times are milliseconds since the load began. */
export interface Decision extends Verdict {
  readonly arrival: Arrival;
  readonly calledMs: number;
  readonly decidedMs: number;
}

/** An event during the load. */
export interface Moment {
  readonly atMs: number;
  readonly run: () => unknown;
}

export interface Surroundings {
  readonly store: BenchStore;
  readonly signal: AbortSignal;
}

export interface Drive {
  readonly contestant: Contestant;
  readonly rule: Rule;
  readonly tripMs: number;
  readonly isolates: number;
  readonly arrivals: readonly Arrival[];
  /** The beginning of the measured time. */
  readonly warmMs: number;
  readonly untilMs: number;
  readonly onStoreFailure?: IsolateSetup["onStoreFailure"];
  /** @default none */
  readonly moments?: (front: Front) => readonly Moment[];
}

export interface Driven {
  /** All decisions, in their order. */
  readonly decisions: readonly Decision[];
  /** Those of requests that were due in the measured time. */
  readonly measured: readonly Decision[];
  /** Round trips and commands in the measured time. */
  readonly trips: number;
  readonly commands: number;
}

/** Timers are too coarse for the last part. */
const NEAR_MS = 2;
/** Longer than the slowest decision of any contestant. */
const LAST_DECISIONS_MS = 7_000;

/** Commands of no contestant. */
const OTHERS = new Set(["info", "config", "ping", "client", "hello", "select", "auth", "command"]);

/** Commands that contestants have run so far, including those within scripts. */
const countCommands = async ({ redis }: BenchStore): Promise<number> => {
  const answer = await redis.client.run(["INFO", "commandstats"]);
  if ("error" in answer) throw new LocalError(`Redis does not count its commands: ${answer.error}`);
  const lines = String(answer.result).matchAll(/^cmdstat_([a-z0-9_-]+)\S*?:calls=(\d+)/gm);
  return [...lines].reduce((sum, [, name = "", calls]) => sum + (OTHERS.has(name) ? 0 : Number(calls)), 0);
};

export const drive = async (plan: Drive, { store, signal }: Surroundings): Promise<Driven> => {
  const { contestant, rule, tripMs, arrivals, warmMs, untilMs, onStoreFailure = "closed" } = plan;
  const front = await startFront(store.bridge.url, tripMs);
  const keyPrefix = `${contestant.id}-${randomBytes(6).toString("hex")}:`;
  const setup = { url: front.url, token: store.bridge.token, keyPrefix, rule, onStoreFailure };
  const isolates = Array.from({ length: plan.isolates }, () => contestant.open(setup));
  const count = async () => ({ trips: front.trips, commands: await countCommands(store) });
  let before = count();
  let after = before;
  const decisions: Decision[] = [];
  const sent: Promise<void>[] = [];
  try {
    const startMs = performance.now();
    const since = (): number => performance.now() - startMs;
    const untilDue = async (atMs: number): Promise<void> => {
      for (let leftMs = atMs - since(); leftMs > 0; leftMs = atMs - since()) {
        if (leftMs > NEAR_MS) await pause(leftMs - NEAR_MS, undefined, { signal });
        else await turn();
      }
    };
    const send = async (arrival: Arrival): Promise<void> => {
      const calledMs = since();
      const none: Verdict = { isAdmitted: false, mode: "error" };
      const verdict = await isolates[arrival.isolate]?.ask(arrival.key).catch(() => none);
      decisions.push({ ...(verdict ?? none), arrival, calledMs, decidedMs: since() });
    };
    const moments: Moment[] = [
      ...arrivals.map((arrival) => ({ atMs: arrival.dueMs, run: () => sent.push(send(arrival)) })),
      ...(plan.moments?.(front) ?? []),
      { atMs: warmMs, run: () => (before = count()) },
      { atMs: untilMs, run: () => (after = count()) },
    ];
    for (const { atMs, run } of moments.sort((a, b) => a.atMs - b.atMs)) {
      signal.throwIfAborted();
      await untilDue(atMs);
      run();
    }
    await withTimeout(Promise.all(sent), LAST_DECISIONS_MS);
    front.release();
    await Promise.all(isolates.map((isolate) => isolate.settled()));
    const [from, to] = await Promise.all([before, after]);
    return {
      decisions,
      measured: decisions.filter(({ arrival }) => arrival.dueMs >= warmMs),
      trips: to.trips - from.trips,
      commands: to.commands - from.commands,
    };
  } finally {
    await front.stop();
  }
};
