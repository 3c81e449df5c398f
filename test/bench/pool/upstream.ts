/** The replicas behind all contestants: one process that receives orders over its port. */
import { join } from "node:path";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import type { Run } from "../support/bench.ts";
import { exchange } from "../support/exchange.ts";
import { rawRequest } from "../support/request-batch.ts";
import { startServer } from "../support/server-process.ts";
import type { Mode, ReplicaCounts } from "./replica.ts";

export const REPLICAS = 4;

export type Order =
  | { readonly kind: "turn"; readonly replicas: readonly number[]; readonly mode: Mode }
  | { readonly kind: "forget" }
  | { readonly kind: "count" };

export interface UpstreamState {
  /** When the order was carried out, epoch milliseconds. */
  readonly atMs: number;
  readonly ports: readonly number[];
  readonly counts: readonly ReplicaCounts[];
}

export interface Upstream {
  readonly ports: readonly number[];
  /** Its stand-in for Redis. */
  readonly redisUrl: string;
  order(order: Order): Promise<UpstreamState>;
}

const orderRequest = (order: Order): string =>
  rawRequest({
    method: "POST",
    target: "/order",
    headers: { host: "127.0.0.1", connection: "close" },
    body: JSON.stringify(order),
  });

/** @throws LocalError if it does not start */
export const startUpstream = async (run: Run): Promise<Upstream> => {
  const port = await freePort();
  await startServer(
    {
      name: "the replicas",
      folder: projectFolder,
      args: [join(projectFolder, "test/bench/pool/upstream-server.ts")],
      port,
      readyRequest: () => orderRequest({ kind: "forget" }),
    },
    run,
  );
  const order = async (given: Order): Promise<UpstreamState> => {
    const { status, body } = await exchange(port, orderRequest(given));
    if (status !== 200) throw new Error(`the replicas answered ${status}`);
    return JSON.parse(body.toString());
  };
  const { ports } = await order({ kind: "forget" });
  return { ports, redisUrl: `http://127.0.0.1:${port}`, order };
};
