/** Requests as the edge sends them, on keep-alive connections, and a pod's shutdown under them. */
import { Agent } from "node:http";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { tour } from "#api/contract/tour.ts";
import { sendOn } from "../../support/backing.ts";
import { type EdgeRequest, signEdgeRequest } from "../../support/signed-request.ts";
import { type Pod, passes } from "./pod.ts";

export interface Load {
  /** Requests with an unexpected response. */
  readonly failures: readonly string[];
  /** The number of requests with the expected response. */
  readonly succeeded: () => number;
  /** Resolves when there have been as many responses as connections. */
  readonly begun: Promise<void>;
  /** Resolves when all requests in flight have ended. */
  stop(): Promise<void>;
}

const MAX_FAILURES = 20;

/** The API's tour, whatever the API is. */
const REQUESTS: readonly EdgeRequest[] = tour.steps.map(({ method, path, body }) => ({
  method,
  path,
  principal: tour.principal,
  ...(body === undefined ? {} : { json: body }),
}));

/** A tour's write can succeed once, or until its sample data is used up: then it is a conflict. */
const isExpected = (status: number): boolean => (status >= 200 && status < 300) || status === 409;

export const startLoad = (pod: Pod, connections: number): Load => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const api = `http://${pod.host}:${pod.plan.ports.http}`;
  const failures: string[] = [];
  const begun = Promise.withResolvers<void>();
  let answered = 0;
  let succeeded = 0;
  let isOver = false;

  const send = async (request: EdgeRequest): Promise<void> => {
    const signed = await signEdgeRequest(pod.plan.authority, request);
    const answer = await sendOn(agent, `${api}${request.path}`, signed).catch((error: unknown) => ({
      status: 0,
      body: String(error),
    }));
    answered += 1;
    if (answered >= connections) begun.resolve();
    if (isExpected(answer.status)) succeeded += 1;
    else if (failures.length < MAX_FAILURES)
      failures.push(`${request.path}: ${answer.status} ${answer.body.slice(0, 200)}`);
  };
  const work = async (first: number): Promise<void> => {
    for (let turn = first; !isOver; turn += 1) {
      const next = REQUESTS[turn % REQUESTS.length];
      if (next !== undefined) await send(next);
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

export interface End {
  readonly code: number | null;
  /** Since SIGTERM. */
  readonly tookMs: number;
  readonly load: Load;
  /** Whether it became unready before it ended. */
  readonly becameUnready: boolean;
}

/** Requests still arrive for this long after SIGTERM; below the origin's pre_stop of 5 s. */
const STILL_ARRIVE_MS = 3_000;

/** Ends a pod under load; resolves when it has ended. */
export const endUnderLoad = async (pod: Pod, connections: number): Promise<End> => {
  const load = startLoad(pod, connections);
  await load.begun;
  await pod.terminate();
  const fromMs = performance.now();
  const stopped = pause(STILL_ARRIVE_MS).then(() => load.stop());
  let hasEnded = false;
  const exited = pod.exited.then((code) => {
    hasEnded = true;
    return code;
  });
  let becameUnready = false;
  while (!becameUnready && !hasEnded) {
    becameUnready = !(await passes(pod, pod.plan.readiness)) && (await passes(pod, pod.plan.liveness));
    await pause(20);
  }
  await stopped;
  const code = await exited;
  return { code, tookMs: performance.now() - fromMs, load, becameUnready };
};
