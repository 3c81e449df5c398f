/** At a fixed rate, with a database that takes 20 ms: what a client sees of telemetry. */
import type { BenchOptions } from "../../support/bench.ts";
import { readCpuTime } from "../../support/cpu-time.ts";
import type { OpenLoad } from "../../support/open-load.ts";
import type { OpenTurnResult } from "../../support/open-turn.ts";
import { median } from "../../support/statistics.ts";
import { textTable } from "../../support/table.ts";
import { turnOrder } from "../../support/turn-order.ts";
import { residentMib } from "../resident.ts";
import type { Origin } from "./servers.ts";

export const DATABASE_MS = 20;
/** Far below what either server can do. */
const PER_SECOND = 200;
const CONNECTIONS = 32;
const SETTLE_MS = 1_000;
const USEFUL_MS = 1_000;
/** A Poisson process may bring more than its mean. */
const HEADROOM = 1.3;

export interface SlowOrigin {
  readonly title: string;
  readonly origin: Origin;
  readonly sampledIn: number;
}

export interface LatencyPlan {
  readonly rounds: number;
  readonly measureMs: number;
}

interface Measured {
  readonly title: string;
  readonly result: OpenTurnResult;
  readonly cpuUs: number | undefined;
}

const turn = async (
  { title, origin, sampledIn }: SlowOrigin,
  load: OpenLoad,
  measureMs: number,
): Promise<Measured> => {
  const { port, pid } = origin.process;
  const count = Math.ceil((HEADROOM * PER_SECOND * (SETTLE_MS + measureMs)) / 1_000);
  const requests = await origin.requests("statement", sampledIn, count);
  const before = await readCpuTime(pid);
  const result = await load.run({
    port,
    requests,
    perSecond: PER_SECOND,
    connections: CONNECTIONS,
    settleMs: SETTLE_MS,
    measureMs,
    usefulMs: USEFUL_MS,
  });
  const after = await readCpuTime(pid);
  const failures = result.failures + result.shed + result.expired;
  if (failures > 0)
    throw new Error(`${title} failed ${failures} times: ${result.firstFailure ?? "503 or 504"}`);
  const answered = (result.sent * (SETTLE_MS + measureMs)) / measureMs;
  return { title, result, cpuUs: before && after && (1_000 * (after.cpuMs - before.cpuMs)) / answered };
};

/** @returns a table @throws Error where a request is not answered with 200 */
export const latencyTable = async (
  origins: readonly SlowOrigin[],
  load: OpenLoad,
  { rounds, measureMs }: LatencyPlan,
  { signal, onProgress }: Pick<BenchOptions, "signal" | "onProgress">,
): Promise<string> => {
  const measured: Measured[] = [];
  for (let round = 0; round < rounds; round += 1) {
    onProgress(`slow database, round ${round + 1} of ${rounds} …`);
    for (const origin of turnOrder(origins, round)) {
      signal.throwIfAborted();
      measured.push(await turn(origin, load, measureMs));
    }
  }
  const rows = origins.map(async ({ title, origin }) => {
    const own = measured.filter((each) => each.title === title);
    const middle = (of: (each: Measured) => number | undefined, digits: number): string => {
      const known = own.map(of).filter((value) => value !== undefined);
      return known.length === 0 ? "–" : median(known).toFixed(digits);
    };
    return [
      title,
      middle(({ result }) => result.p50Ms, 2),
      middle(({ result }) => result.p99Ms, 2),
      middle(({ cpuUs }) => cpuUs, 0),
      middle(({ result }) => result.lagP99Ms, 1),
      await residentMib(origin.process.pid),
    ];
  });
  const head = `${PER_SECOND} requests/s, database ${DATABASE_MS} ms`;
  return textTable(
    [head, "p50 ms", "p99 ms", "CPU µs/request", "sent late, p99 ms", "resident"],
    await Promise.all(rows),
  );
};
