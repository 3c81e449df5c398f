/** Keep-alive clients that place orders one after the other: through the edge, and straight through a Service. */
import { Agent } from "node:http";
import * as z from "zod";
import { sendOn } from "../../support/backing.ts";
import { signEdgeRequest } from "../../support/signed-request.ts";
import { sendAs } from "../clients.ts";
import type { World } from "../world.ts";
import { noRequests, type Requests } from "./outcome.ts";
import type { Principal } from "./principals.ts";

export interface Placed {
  readonly requests: Requests;
  /** Of every acknowledged order. */
  readonly orderIds: string[];
}

export interface OrderClients {
  readonly throughEdge: Placed;
  readonly throughService: Placed;
  /** Both. */
  count(): number;
  /** Lets each client end its last request. */
  stop(): Promise<void>;
}

interface Reply {
  /** 0 without a response. */
  readonly status: number;
  readonly body: string;
}

type Send = (json: unknown, headers: Readonly<Record<string, string>>, turn: number) => Promise<Reply>;

const EDGE_CLIENTS = 12;
const SERVICE_CLIENTS = 4;
const CREATED = 201;
const TIMEOUT_MS = 30_000;

const order = z.object({ id: z.string() });

/** One request after the other, every second one with a key of its own. */
const placeUntil = async (
  isOver: () => boolean,
  send: Send,
  { requests, orderIds }: Placed,
  productIds: readonly string[],
  firstTurn: number,
): Promise<void> => {
  for (let turn = firstTurn; !isOver(); turn += 1) {
    const json = { lines: [{ productId: productIds[turn % productIds.length], quantity: 1 }] };
    const headers = turn % 2 === 0 ? {} : { "idempotency-key": crypto.randomUUID() };
    const startMs = performance.now();
    const { status, body } = await send(json, headers, turn);
    requests.latenciesMs.push(performance.now() - startMs);
    if (status === CREATED) {
      orderIds.push(order.parse(JSON.parse(body)).id);
      continue;
    }
    requests.failed.set(status, (requests.failed.get(status) ?? 0) + 1);
    const reason = `${new Date().toISOString()} ${turn % 2 === 0 ? "without" : "with"} a key: ${body}`;
    if (!requests.reasons.has(status)) requests.reasons.set(status, reason);
  }
};

const edgeSender =
  ({ edgeUrl }: World, principals: readonly Principal[]): Send =>
  async (json, headers, turn) => {
    const principal = principals[turn % principals.length];
    if (principal === undefined) throw new Error("there are no principals");
    return sendAs(edgeUrl, principal, "/v1/orders", { method: "POST", json, headers });
  };

/** On one connection, as long as the origin keeps it open. */
const serviceSender =
  (agent: Agent, serviceUrl: string, signingKeys: string): Send =>
  async (json, headers, turn) => {
    const init = { method: "POST", path: "/v1/orders", json, headers, principal: `direct-${turn % 50}` };
    const request = await signEdgeRequest(new URL(serviceUrl).host, init, signingKeys);
    const timeout = setTimeout(() => agent.destroy(), TIMEOUT_MS);
    try {
      return await sendOn(agent, `${serviceUrl}/v1/orders`, request);
    } catch (error) {
      return { status: 0, body: String(error) };
    } finally {
      clearTimeout(timeout);
    }
  };

export const startOrderClients = (
  world: World,
  serviceUrl: string,
  principals: readonly Principal[],
  productIds: readonly string[],
): OrderClients => {
  let isOver = false;
  const throughEdge: Placed = { requests: noRequests(), orderIds: [] };
  const throughService: Placed = { requests: noRequests(), orderIds: [] };
  const agents = Array.from({ length: SERVICE_CLIENTS }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  const over = (): boolean => isOver;
  const running = [
    // Each begins at another turn, so that they share neither principals nor products at a time.
    ...Array.from({ length: EDGE_CLIENTS }, (_, n) =>
      placeUntil(over, edgeSender(world, principals), throughEdge, productIds, n * 11),
    ),
    ...agents.map((agent, n) =>
      placeUntil(
        over,
        serviceSender(agent, serviceUrl, world.signingKeys),
        throughService,
        productIds,
        n * 13,
      ),
    ),
  ];
  return {
    throughEdge,
    throughService,
    count: () => throughEdge.requests.latenciesMs.length + throughService.requests.latenciesMs.length,
    stop: async () => {
      isOver = true;
      await Promise.all(running).finally(() => {
        for (const agent of agents) agent.destroy();
      });
    },
  };
};
