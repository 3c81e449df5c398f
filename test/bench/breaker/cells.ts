/** The measured calls: each cell is one kind of call, by several contestants. */
import * as ours from "./ours.ts";

type Peers = typeof import("../peers/breakers.mjs");

/** Makes a number of calls, one after another. */
export type Work = (calls: number) => Promise<void> | void;

export interface Contestant {
  readonly name: string;
  readonly work: Work;
}

export interface Cell {
  readonly title: string;
  readonly calls: number;
  readonly contestants: readonly Contestant[];
}

const attempt = async (): Promise<number> => 1;
const FAILED = new Error("failed");
const failingAttempt = (): Promise<never> => Promise.reject(FAILED);

type Call = <T>(attempt: () => Promise<T>) => Promise<T>;

const succeeding =
  (call: Call): Work =>
  async (calls) => {
    for (let turn = 0; turn < calls; turn += 1) await call(attempt);
  };

const failing =
  (call: Call): Work =>
  async (calls) => {
    for (let turn = 0; turn < calls; turn += 1) await call(failingAttempt).catch(() => undefined);
  };

const synchronous =
  (call: () => void): Work =>
  (calls) => {
    for (let turn = 0; turn < calls; turn += 1) call();
  };

const TIMEOUT_MS = 60_000;
/** Results in the window before failures are measured. */
const FEW = 100;
const MANY = 50_000;

const failingCall = async (create: () => Call, samples: number): Promise<Work> => {
  const call = create();
  await succeeding(call)(samples);
  return failing(call);
};

export type CellName =
  | "closed"
  | "rejected_permit"
  | "rejected_call"
  | "stack"
  | "failure_few"
  | "failure_many";

/** Every breaker is created, opened or filled here, before the measurement. */
export const createCells = async (peers: Peers): Promise<Record<CellName, Cell>> => {
  const failures = async (title: string, samples: number): Promise<Cell> => ({
    title,
    calls: 2_000,
    contestants: [
      { name: "Breakwater", work: await failingCall(ours.everClosedRun, samples) },
      {
        name: "cockatiel sampling",
        work: await failingCall(() => peers.cockatielSampling(0.999999), samples),
      },
    ],
  });
  return {
    closed: {
      title: "closed, an awaited call",
      calls: 20_000,
      contestants: [
        { name: "bare call", work: succeeding((call) => call()) },
        { name: "Breakwater permit, not awaited", work: synchronous(ours.closedPermit()) },
        { name: "Breakwater", work: succeeding(ours.closedRun()) },
        { name: "cockatiel count", work: succeeding(peers.cockatielCount()) },
        { name: "cockatiel sampling", work: succeeding(peers.cockatielSampling()) },
        { name: "opossum", work: succeeding(peers.opossum()) },
      ],
    },
    rejected_permit: {
      title: "open, a permit requested",
      calls: 20_000,
      contestants: [{ name: "Breakwater", work: synchronous(ours.openPermit()) }],
    },
    rejected_call: {
      title: "open, an awaited call",
      calls: 5_000,
      contestants: [
        { name: "Breakwater", work: failing(ours.openRun()) },
        { name: "cockatiel count", work: failing(await peers.openCockatielCount()) },
        { name: "opossum", work: failing(await peers.openOpossum()) },
      ],
    },
    stack: {
      title: "retry, breaker and timeout around an awaited call (opossum has no retry)",
      calls: 5_000,
      contestants: [
        { name: "Breakwater", work: succeeding(ours.stack(TIMEOUT_MS)) },
        { name: "cockatiel", work: succeeding(peers.cockatielStack(TIMEOUT_MS)) },
        { name: "opossum", work: succeeding(peers.opossumStack(TIMEOUT_MS)) },
      ],
    },
    failure_few: await failures("a failure, 100 results in the window", FEW),
    failure_many: await failures("a failure, 50,000 results in the window", MANY),
  };
};
