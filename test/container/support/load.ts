/** Requests as the edge sends them, on kept connections, until told to stop. */
import { Agent } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { sampleProductId } from "../../../src/origin/api/sample-data.ts";
import { sendOn } from "../../support/backing.ts";
import { type EdgeRequest, signEdgeRequest } from "../../support/signed-request.ts";
import type { Pod } from "./pod.ts";

export interface Load {
  /** Every request that was not answered as it should be, in words. */
  readonly failures: readonly string[];
  /** Requests that were answered as they should be. */
  readonly succeeded: () => number;
  /** Resolves when each connection has had an answer. */
  readonly begun: Promise<void>;
  /** Lets every request that has begun come to its end. */
  stop(): Promise<void>;
}

const MAX_FAILURES = 20;

const REQUESTS: readonly { readonly what: EdgeRequest; readonly status: number }[] = [
  { what: { path: "/v1/products" }, status: 200 },
  { what: { path: `/v1/products/${sampleProductId(6)}` }, status: 200 },
  {
    what: {
      path: "/v1/orders",
      method: "POST",
      json: { lines: [{ productId: sampleProductId(6), quantity: 1 }] },
      principal: "alice",
    },
    status: 201,
  },
  { what: { path: "/v1/orders", principal: "alice" }, status: 200 },
];

export const startLoad = (pod: Pod, connections: number): Load => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const api = `http://${pod.host}:${pod.plan.ports.http}`;
  const failures: string[] = [];
  const begun = Promise.withResolvers<void>();
  let answered = 0;
  let succeeded = 0;
  let isOver = false;

  const askFor = async ({ what, status }: (typeof REQUESTS)[number]): Promise<void> => {
    const signed = await signEdgeRequest(pod.plan.authority, what);
    const answer = await sendOn(agent, `${api}${what.path}`, signed).catch((error: unknown) => ({
      status: 0,
      body: String(error),
    }));
    answered += 1;
    if (answered >= connections) begun.resolve();
    if (answer.status === status) succeeded += 1;
    else if (failures.length < MAX_FAILURES)
      failures.push(`${what.path}: ${answer.status} ${answer.body.slice(0, 200)}`);
  };
  const work = async (first: number): Promise<void> => {
    for (let turn = first; !isOver; turn += 1) {
      const next = REQUESTS[turn % REQUESTS.length];
      if (next !== undefined) await askFor(next);
      await nextTurn();
    }
  };
  const workers = Promise.all(Array.from({ length: connections }, (_, n) => work(n)));
  return {
    failures,
    succeeded: () => succeeded,
    begun: begun.promise,
    stop: async () => {
      isOver = true;
      await workers;
      agent.destroy();
    },
  };
};
