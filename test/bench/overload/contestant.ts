/** The origin with and without its limit: the same program twice. */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { createSigningKey, sealedRequest } from "../origin/sealed-request.ts";
import type { Run } from "../support/bench.ts";
import { exchange } from "../support/exchange.ts";
import { type RequestBatch, rawRequest, requestBatch } from "../support/request-batch.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { SERVICE_MS } from "./backend.ts";

/** Each request's deadline, within which a response is useful. */
export const DEADLINE_MS = 10 * SERVICE_MS;
const READY_TIMEOUT_MS = 10_000;
const POLL_MS = 20;

/** Beside the origin, which has no such path. */
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
  /** Requests, each of which is accepted once, within 30 s. */
  requests(count: number): Promise<RequestBatch>;
  state(): Promise<ServerState>;
  /** Waits until nothing of an earlier turn is left at the backend. */
  untilIdle(): Promise<void>;
}

const signing = createSigningKey();
const identity = { auth: "api-key", principal: { id: "bench", scopes: ["orders:read"] } } as const;

const sealed = (authority: string, timeoutMs: number): Promise<string> => {
  const headers = { accept: "application/json" };
  const request = { method: "GET", path: "/v1/orders", headers, identity, timeoutMs };
  return sealedRequest(signing.key, authority, request);
};

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
      environment: { SIGNING_KEYS: signing.text, LIMIT: isLimited ? "on" : "off" },
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
    requests: async (count) => {
      const requests = Array.from({ length: count }, () => sealed(authority, DEADLINE_MS));
      return requestBatch(await Promise.all(requests), false);
    },
    state,
    untilIdle: async () => {
      while ((await state()).load > 0) await pause(POLL_MS, undefined, { signal: run.signal });
    },
  };
};
