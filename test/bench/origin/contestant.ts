/** A server that takes part. */
import type { RequestBatch } from "../support/request-batch.ts";
import type { ServerProcess } from "../support/server-process.ts";
import type { Cell } from "./workload.ts";

export const CONTESTANTS = [
  "hono",
  "express",
  "express_otel",
  "fastify",
  "fastify_otel",
  "breakwater",
] as const;
export type ContestantId = (typeof CONTESTANTS)[number];

/** Each server's connections to the database. */
export const DATABASE_CONNECTIONS = 10;

export interface Contestant {
  readonly id: ContestantId;
  readonly title: string;
  readonly process: ServerProcess;
  /** The cells in which it takes part. */
  readonly cells: readonly Cell[];
  /**
   * Requests for one of its cells, ready to be sent.
   *
   * @param count how many are needed at least, where they cannot be repeated
   */
  requests(cell: Cell, count: number): Promise<RequestBatch>;
}
