/** Verifies before the measurement that each cell does what its title says. */
import { setTimeout as pause } from "node:timers/promises";
import { exchange } from "../support/exchange.ts";
import { sentBatches } from "../support/span-sink.ts";
import { ANSWER } from "./answer.ts";
import { BLOCKED_ADDRESSES } from "./blocked.ts";
import type { Cell } from "./cells.ts";
import { CLIENTS, type Client, clientOf, orderRequest, wrongKeyOf } from "./clients.ts";
import type { MeasuredCell } from "./rounds.ts";
import { EXPORTING, keyPrefixOf, type ServerProcesses } from "./servers.ts";
import type { EdgeBenchStore } from "./store.ts";

/** By then an edge has a list that was published before it started. */
const LIST_TIMEOUT_MS = 5_000;
const POLL_MS = 100;

const statusOf = async (port: number, request: string): Promise<number> =>
  (await exchange(port, request)).status;

/** @throws Error unless each client gets 200 and the stand-in's body */
const assertAnswered = async ({ title, request }: Cell, port: number): Promise<void> => {
  for (let n = 0; n < CLIENTS; n += 1) {
    const { status, body } = await exchange(port, request(n));
    if (status !== 200 || body.toString() !== ANSWER)
      throw new Error(`${title}: answered ${status} ${body.toString("utf8", 0, 300)}`);
  }
};

/** @returns why the cell cannot be measured; undefined if the server accepts tokens */
const whyNoTokens = async ({ request }: Cell, port: number): Promise<string | undefined> =>
  (await statusOf(port, request(0))) === 401 ? "the Worker accepts no tokens (401)" : undefined;

/** Polls, because the edge may fetch the list in the background. */
const isBlocked = async (port: number, address: string, { key }: Client): Promise<boolean> => {
  const untilMs = performance.now() + LIST_TIMEOUT_MS;
  for (;;) {
    if ((await statusOf(port, orderRequest(0, { address }, key.key))) === 403) return true;
    if (performance.now() > untilMs) return false;
    await pause(POLL_MS);
  }
};

/** @returns why the cell cannot be measured; undefined if listed addresses are rejected */
const whyNoBlocklist = async (port: number, clients: readonly Client[]): Promise<string | undefined> => {
  for (const address of BLOCKED_ADDRESSES) {
    if (!(await isBlocked(port, address, clientOf(clients, 0))))
      return `the Worker has no blocklist (no 403 for ${address}, which is on it)`;
  }
  return undefined;
};

/** @returns why the cell cannot be measured; undefined if it can be */
const obstacle = async (
  cell: Cell,
  port: number,
  clients: readonly Client[],
): Promise<string | undefined> => {
  switch (cell.id) {
    case "token":
    case "new_token":
      return await whyNoTokens(cell, port);
    case "listed":
      return await whyNoBlocklist(port, clients);
    default:
      return undefined;
  }
};

/** An address of no client and no list, so that a failed authentication counts against none of them. */
const STRANGER = { address: "198.51.100.7" } as const;

/** @throws Error if a key with a wrong secret is accepted */
const assertKeysChecked = async (
  { title }: Cell,
  port: number,
  clients: readonly Client[],
): Promise<void> => {
  const status = await statusOf(port, orderRequest(0, STRANGER, wrongKeyOf(clientOf(clients, 0))));
  if (status !== 401) throw new Error(`${title}: a wrong key got ${status} instead of 401`);
};

/** A server that enforces no limit would be too fast. Call it right after requests: full buckets leave no trace. */
const assertLimited = async ({ server, title }: Cell, store: EdgeBenchStore): Promise<void> => {
  if (!(await store.hasLimits(keyPrefixOf(server)))) throw new Error(`${title}: it enforced no limit`);
};

/** @throws Error if the stock stack's limiter passed requests without Redis, as it does after a timeout */
const assertAskedRedis = ({ title }: Cell, calls: number): void => {
  if (calls < CLIENTS) throw new Error(`${title}: ${CLIENTS} requests, but only ${calls} calls to Redis`);
};

const assertValid = async (
  cell: Cell,
  port: number,
  { store, clients }: Pick<ProbeSurroundings, "store" | "clients">,
): Promise<void> => {
  const callsBefore = store.limiterCalls(keyPrefixOf(cell.server));
  await assertAnswered(cell, port);
  if (cell.server === "bare") return;
  await assertLimited(cell, store);
  await assertKeysChecked(cell, port, clients);
  if (cell.server === "stock")
    assertAskedRedis(cell, store.limiterCalls(keyPrefixOf(cell.server)) - callsBefore);
};

export interface ProbeSurroundings {
  readonly processes: ServerProcesses;
  readonly store: EdgeBenchStore;
  readonly clients: readonly Client[];
  readonly onProgress: (line: string) => void;
}

export interface Unmeasured {
  readonly cell: Cell;
  readonly why: string;
}

/** @throws Error if a cell that can be measured gives a wrong answer */
export const probe = async (
  cells: readonly Cell[],
  { processes, store, clients, onProgress }: ProbeSurroundings,
): Promise<{ measured: MeasuredCell[]; unmeasured: Unmeasured[] }> => {
  const measured: MeasuredCell[] = [];
  const unmeasured: Unmeasured[] = [];
  for (const cell of cells) {
    const process = processes[cell.server];
    const why = await obstacle(cell, process.port, clients);
    if (why === undefined) {
      await assertValid(cell, process.port, { store, clients });
      measured.push({ ...cell, process });
    } else {
      onProgress(`not measured: ${cell.title}: ${why}`);
      unmeasured.push({ cell, why });
    }
  }
  return { measured, unmeasured };
};

/** @throws Error if a server that exports has sent nothing; call it after the measurement */
export const assertExported = async (spanSinkUrl: string): Promise<void> => {
  const batches = await sentBatches(spanSinkUrl);
  for (const server of EXPORTING) {
    if ((batches[server] ?? 0) === 0) throw new Error(`the server "${server}" exported nothing`);
  }
};
