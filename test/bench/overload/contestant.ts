/** The origin with and without its limit: the same program twice. */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { createSigningKeys, sealedRequest } from "../origin/sealed-request.ts";
import type { Run } from "../support/bench.ts";
import { exchange } from "../support/exchange.ts";
import { type RequestBatch, rawRequest, requestBatch } from "../support/request-batch.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { SERVICE_MS } from "./backend.ts";

/** Each request's deadline; a later response is useless. */
export const DEADLINE_MS = 10 * SERVICE_MS;
const READY_TIMEOUT_MS = 10_000;
const POLL_MS = 20;

/** Served beside the origin, which has no such path. */
export const STATE_PATH = "/bench-state";

export interface ServerState {
  /** Work at the backend, served or waiting. */
  readonly load: number;
  /** Undefined without a limit. */
  readonly limit?: number | undefined;
}

export interface Contestant {
  readonly title: string;
  readonly isLimited: boolean;
  readonly process: ServerProcess;
  /**
   * Requests, each of which is accepted once, from 15 s before until 20 s after it is due.
   *
   * @param perSecond the rate at which they are due @param fromMs when the first one is, after now @default 0
   */
  requests(count: number, perSecond: number, fromMs?: number): Promise<RequestBatch>;
  state(): Promise<ServerState>;
  /** Waits until the backend has served all work of an earlier turn. */
  untilIdle(): Promise<void>;
}

const signingKeys = createSigningKeys();

/** A signature is accepted for 35 s; its request may be due later or earlier than planned. */
const SIGNED_AHEAD_MS = 10_000;

const sealed = (authority: string, timeoutMs: number, atMs = Date.now()): Promise<string> =>
  sealedRequest(signingKeys, authority, {
    path: "/v1/orders",
    headers: { accept: "application/json" },
    principal: "bench",
    timeoutMs,
    atMs,
  });

/** @throws LocalError if it does not start */
export const startContestant = async (isLimited: boolean, run: Run): Promise<Contestant> => {
  const title = isLimited ? "with the limit" : "without it";
  const port = await freePort();
  const authority = `127.0.0.1:${port}`;
  const process = await startServer(
    {
      name: `the origin ${title}`,
      folder: projectFolder,
      args: [join(projectFolder, "test/bench/overload/server.ts")],
      environment: { SIGNING_KEYS: signingKeys, LIMIT: isLimited ? "on" : "off" },
      port,
      readyRequest: () => sealed(authority, READY_TIMEOUT_MS),
    },
    run,
  );
  const state = async (): Promise<ServerState> => {
    const headers = { host: "127.0.0.1" };
    const { body } = await exchange(port, rawRequest({ method: "GET", target: STATE_PATH, headers }));
    return JSON.parse(body.toString());
  };
  return {
    title,
    isLimited,
    process,
    requests: async (count, perSecond, fromMs = 0) => {
      const firstAtMs = Date.now() + fromMs - SIGNED_AHEAD_MS;
      const requests: string[] = [];
      for (let n = 0; n < count; n += 1)
        requests.push(await sealed(authority, DEADLINE_MS, firstAtMs + (1_000 * n) / perSecond));
      return requestBatch(requests, false);
    },
    state,
    untilIdle: async () => {
      while ((await state()).load > 0) await pause(POLL_MS, undefined, { signal: run.signal });
    },
  };
};
