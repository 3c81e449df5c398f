/** Verifies before the measurement that a cell does what its title says. */
import { setTimeout as pause } from "node:timers/promises";
import { exchange } from "../support/exchange.ts";
import type { ServerProcess } from "../support/server-process.ts";
import type { BenchStore } from "../support/store.ts";
import { ANSWER } from "./answer.ts";
import { BLOCKED_ADDRESSES } from "./blocked.ts";
import type { EdgeCell } from "./cells.ts";
import { type Client, clientOf, orderRequest, wrongKeyOf } from "./clients.ts";
import { hasLimits } from "./published.ts";
import { keyPrefixOf } from "./servers.ts";

/** An edge has fetched the list by then. */
const LIST_TIMEOUT_MS = 5_000;
const POLL_MS = 100;
/** An address of no client and no list, so that a failed authentication counts against none of them. */
const STRANGER = { address: "198.51.100.7" } as const;

const statusOf = async (port: number, request: string): Promise<number> =>
  (await exchange(port, request)).status;

/** @throws Error unless each client gets 200 and `body` */
export const assertAnswered = async (
  title: string,
  port: number,
  requests: readonly string[],
  body = ANSWER,
): Promise<void> => {
  for (const request of requests) {
    const response = await exchange(port, request);
    if (response.status !== 200 || response.body.toString() !== body)
      throw new Error(`${title}: responded ${response.status} ${response.body.toString("utf8", 0, 300)}`);
  }
};

/** Polls, because the edge may fetch the list in the background. */
const assertBlocked = async (port: number, address: string, { key }: Client): Promise<void> => {
  const untilMs = performance.now() + LIST_TIMEOUT_MS;
  while ((await statusOf(port, orderRequest(0, { address }, key.key))) !== 403) {
    if (performance.now() > untilMs) throw new Error(`no 403 for ${address}, which is on the blocklist`);
    await pause(POLL_MS);
  }
};

/** Polls, because the first request may have taken the only token, and the edge may fetch its list later. */
const assertRejected = async (
  title: string,
  port: number,
  [request = ""]: readonly string[],
  expected: number,
): Promise<void> => {
  const untilMs = performance.now() + LIST_TIMEOUT_MS;
  let status = 0;
  while (status !== expected) {
    if (performance.now() > untilMs) throw new Error(`${title}: responded ${status} instead of ${expected}`);
    status = await statusOf(port, request);
    await pause(POLL_MS);
  }
};

/** @throws Error if a request fails, a wrong key is accepted, a limit is not enforced or a listed address passes */
export const assertValid = async (
  { id, title, server, process, probes, status: expected }: EdgeCell & { readonly process: ServerProcess },
  store: BenchStore,
  clients: readonly Client[],
): Promise<void> => {
  const { port } = process;
  if (expected !== undefined) {
    await assertRejected(title, port, probes, expected);
    return;
  }
  await assertAnswered(title, port, probes);
  if (server === "bare") return;
  if (!(await hasLimits(store, keyPrefixOf(server)))) throw new Error(`${title}: it enforced no limit`);
  const client = clientOf(clients, 0);
  const status = await statusOf(port, orderRequest(0, STRANGER, wrongKeyOf(client)));
  if (status !== 401) throw new Error(`${title}: a wrong key got ${status} instead of 401`);
  if (id === "listed") for (const address of BLOCKED_ADDRESSES) await assertBlocked(port, address, client);
};
