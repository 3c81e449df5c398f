/** What the server process tells the benchmark of itself. */
import { setTimeout as pause } from "node:timers/promises";
import { exchange } from "../support/exchange.ts";
import { rawRequest } from "../support/request-batch.ts";

/** Beside the origin, which knows no such path. */
export const STATE_PATH = "/bench-state";

export interface ServerState {
  /** Since its start. */
  readonly cpuMs: number;
  readonly atMs: number;
  /** Work at the backend, served or waiting. */
  readonly load: number;
  /** Undefined where there is none. */
  readonly limit: number | undefined;
}

const POLL_MS = 20;

export const askState = async (port: number): Promise<ServerState> => {
  const request = rawRequest({ method: "GET", target: STATE_PATH, headers: { host: "127.0.0.1" } });
  const { body } = await exchange(port, request);
  return JSON.parse(body.toString());
};

/** Waits until nothing of an earlier turn is left at the backend. */
export const untilIdle = async (port: number, signal: AbortSignal): Promise<void> => {
  while ((await askState(port)).load > 0) {
    signal.throwIfAborted();
    await pause(POLL_MS);
  }
};
