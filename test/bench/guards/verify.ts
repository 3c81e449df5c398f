/** Verifies before the measurement that each guard is in its stage, enforces, and is not in the stage before. */
import { setTimeout as pause } from "node:timers/promises";
import { BLOCKED_ADDRESSES } from "../edge/blocked.ts";
import { type Client, clientOf, limitedClient, orderRequest, wrongKeyOf } from "../edge/clients.ts";
import { exchange } from "../support/exchange.ts";
import { rawRequest } from "../support/request-batch.ts";
import { atStage, writeRequest } from "./cells.ts";
import type { Stage } from "./stages.ts";

interface Rejection {
  readonly stage: Stage;
  readonly before: Stage;
  readonly request: string;
  readonly status: number;
}

/** The edge has fetched the blocklist and a client's override by then. */
const TIMEOUT_MS = 5_000;
const POLL_MS = 50;
/** An address of no client, so that a failed authentication counts against none of them. */
const STRANGER = { address: "198.51.100.7" } as const;
const TOO_MANY_BYTES = 9 * 1_024;

const plainRequest = (method: string, target: string): string =>
  rawRequest({ method, target, headers: { host: "api.example.com", "cf-connecting-ip": STRANGER.address } });

const rejections = (client: Client): readonly Rejection[] => {
  const { key } = client.key;
  return [
    {
      before: "context",
      stage: "blocklist",
      request: orderRequest(0, { address: BLOCKED_ADDRESSES[0] }, key),
      status: 403,
    },
    { before: "blocklist", stage: "screening", request: plainRequest("GET", "/.env"), status: 404 },
    { before: "screening", stage: "routePolicy", request: plainRequest("DELETE", "/v1/orders"), status: 405 },
    {
      before: "routePolicy",
      stage: "auth",
      request: orderRequest(0, STRANGER, wrongKeyOf(client)),
      status: 401,
    },
    {
      before: "deprecation",
      stage: "rateLimit",
      request: orderRequest(0, limitedClient, limitedClient.key.key),
      status: 429,
    },
    { before: "rateLimit", stage: "bodyLimit", request: writeRequest(client, TOO_MANY_BYTES), status: 413 },
  ];
};

const assertStatus = async (port: number, request: string, stage: Stage, expected: number): Promise<void> => {
  const untilMs = performance.now() + TIMEOUT_MS;
  for (;;) {
    const { status } = await exchange(port, atStage(request, stage));
    if (status === expected) return;
    if (performance.now() > untilMs)
      throw new Error(`stage "${stage}": responded ${status} instead of ${expected}`);
    await pause(POLL_MS);
  }
};

/** @throws Error if a guard does not reject, or rejects in the stage before its own */
export const assertGuarded = async (port: number, clients: readonly Client[]): Promise<void> => {
  for (const { stage, before, request, status } of rejections(clientOf(clients, 0))) {
    await assertStatus(port, request, stage, status);
    await assertStatus(port, request, before, 200);
  }
};
