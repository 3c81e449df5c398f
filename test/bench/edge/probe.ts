/** Whether a cell measures what it says: asked before anything is measured. */
import { setTimeout as pause } from "node:timers/promises";
import { exchange } from "../support/exchange.ts";
import { ANSWER } from "./answer.ts";
import { BLOCKED_ADDRESSES } from "./blocked.ts";
import type { Cell } from "./cells.ts";
import { CLIENTS, type Client, clientOf, orderRequest } from "./clients.ts";
import type { MeasuredCell } from "./rounds.ts";
import { keyPrefixOf, type ServerProcesses } from "./servers.ts";
import type { EdgeBenchStore } from "./store.ts";

/** A list that was published before the edge started is there by then. */
const LIST_TIMEOUT_MS = 5_000;
const POLL_MS = 100;

const statusOf = async (port: number, request: string): Promise<number> =>
  (await exchange(port, request)).status;

/** @throws Error where a client's request is not answered with what the stand-in has */
const assertAnswered = async ({ title, request }: Cell, port: number): Promise<void> => {
  for (let n = 0; n < CLIENTS; n += 1) {
    const { status, body } = await exchange(port, request(n));
    if (status !== 200 || body.toString() !== ANSWER)
      throw new Error(`${title}: answered ${status} ${body.toString("utf8", 0, 300)}`);
  }
};

/** @returns why it cannot be measured; undefined where tokens are taken */
const whyNoTokens = async ({ request }: Cell, port: number): Promise<string | undefined> =>
  (await statusOf(port, request(0))) === 401 ? "the worker takes no tokens (401)" : undefined;

/** Asks again and again, as the edge may fetch the list behind an answer. */
const isBlocked = async (port: number, address: string, { key }: Client): Promise<boolean> => {
  const untilMs = performance.now() + LIST_TIMEOUT_MS;
  for (;;) {
    if ((await statusOf(port, orderRequest(0, { address }, key.key))) === 403) return true;
    if (performance.now() > untilMs) return false;
    await pause(POLL_MS);
  }
};

/** @returns why it cannot be measured; undefined where who is on the list is refused */
const whyNoBlocklist = async (port: number, clients: readonly Client[]): Promise<string | undefined> => {
  for (const address of BLOCKED_ADDRESSES) {
    if (!(await isBlocked(port, address, clientOf(clients, 0))))
      return `the worker keeps no blocklist (no 403 for ${address}, which is on it)`;
  }
  return undefined;
};

/** @returns why the cell cannot be measured; undefined where it can */
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

/** A limit that no edge keeps would be a chain that is too fast. Full buckets are gone: it has just been asked. */
const assertLimited = async ({ server, title }: Cell, store: EdgeBenchStore): Promise<void> => {
  if (server !== "bare" && !(await store.hasLimits(keyPrefixOf(server))))
    throw new Error(`${title}: it has kept no limit`);
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

/** @throws Error where a cell that can be measured is not answered as it should be */
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
      await assertAnswered(cell, process.port);
      await assertLimited(cell, store);
      measured.push({ ...cell, process });
    } else {
      onProgress(`not measured: ${cell.title}: ${why}`);
      unmeasured.push({ cell, why });
    }
  }
  return { measured, unmeasured };
};
