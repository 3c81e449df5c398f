/** Who is measured: a program that spreads requests over replicas. */
import type { ProgramProcess } from "../support/program-process.ts";
import { rawRequest } from "../support/request-batch.ts";
import type { Upstream } from "./upstream.ts";

export interface StartOptions {
  /** Of the run's own, empty, for its configuration. */
  readonly folder: string;
  readonly upstream: Upstream;
  /** Of the replicas that it is to use. */
  readonly ports: readonly number[];
  readonly signal: AbortSignal;
}

export interface Contestant {
  readonly name: string;
  readonly isOurs: boolean;
  /** Whether it is the one of its product that a short run makes do with. */
  readonly isChosen: boolean;
  /** @throws LocalError where it does not start */
  start(options: StartOptions): Promise<ProgramProcess>;
}

export const READY_REQUEST = rawRequest({
  method: "GET",
  target: "/items/1",
  headers: { host: "127.0.0.1", connection: "close" },
});
