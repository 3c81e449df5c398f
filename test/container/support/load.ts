/** Requests as the edge sends them, on kept connections, until told to stop. */
import { Agent, request } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { sampleProductId } from "../../../src/origin/api/sample-data.ts";
import { signEdgeRequest } from "../../support/backing.ts";
import type { Pod } from "./pod.ts";

export interface Load {
  /** Every request that was not answered as it should be, in words. */
  readonly failures: readonly string[];
  readonly answered: () => number;
  /** Lets every request that has begun come to its end. */
  stop(): Promise<void>;
}

const MAX_FAILURES = 20;

interface Answer {
  readonly status: number;
  readonly body: string;
}

const ask = async (pod: Pod, agent: Agent, what: Parameters<typeof signEdgeRequest>[1]): Promise<Answer> => {
  const { path, method, headers, body } = await signEdgeRequest(pod.plan.authority, what);
  return await new Promise((resolve, reject) => {
    const sending = request(
      { host: pod.host, port: pod.plan.ports.http, path, method, headers, agent },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
      },
    );
    sending.on("error", reject);
    sending.end(body);
  });
};

const REQUESTS = [
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
  const failures: string[] = [];
  let answered = 0;
  let isOver = false;

  const work = async (first: number): Promise<void> => {
    for (let turn = first; !isOver; turn += 1) {
      const { what, status } = REQUESTS[turn % REQUESTS.length] ??
        REQUESTS[0] ?? { what: { path: "/" }, status: 0 };
      const answer = await ask(pod, agent, what).catch((error: unknown) => ({
        status: 0,
        body: String(error),
      }));
      answered += 1;
      if (answer.status !== status && failures.length < MAX_FAILURES)
        failures.push(`${what.path}: ${answer.status} ${answer.body.slice(0, 200)}`);
      await nextTurn();
    }
  };
  const workers = Promise.all(Array.from({ length: connections }, (_, n) => work(n)));
  return {
    failures,
    answered: () => answered,
    stop: async () => {
      isOver = true;
      await workers;
      agent.destroy();
    },
  };
};
