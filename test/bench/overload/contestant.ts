/** The origin with and without its limit: the same program twice. */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { parseSigningKeys, type SigningKey } from "../../../src/middleware/signature/signing-keys.ts";
import { nodeHmac } from "../../../src/origin/config/hmac.ts";
import { sealedRequest } from "../origin/sealed-request.ts";
import { type RequestBatch, requestBatch } from "../support/request-batch.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { SERVICE_MS } from "./backend.ts";

/** What each request has left of its deadline, and what an answer is of use within. */
export const DEADLINE_MS = 10 * SERVICE_MS;

export interface Contestant {
  readonly title: string;
  readonly isLimited: boolean;
  readonly process: ServerProcess;
  /** So many, each of which is taken once, within the next 30 s. */
  requests(count: number): Promise<RequestBatch>;
}

const SIGNING_KEYS = `bench:${randomBytes(32).toString("base64")}`;
const PATH = "/v1/orders";

const identity = { auth: "api-key", principal: { id: "bench", scopes: ["orders:read"] } } as const;

const sealed = (key: SigningKey, authority: string, timeoutMs: number): Promise<string> => {
  const headers = { accept: "application/json" };
  return sealedRequest(key, authority, { method: "GET", path: PATH, headers, identity, timeoutMs });
};

/** @throws LocalError where it does not start */
export const startContestant = async (isLimited: boolean, signal: AbortSignal): Promise<Contestant> => {
  const keys = parseSigningKeys(SIGNING_KEYS, nodeHmac);
  if (typeof keys === "string") throw new Error(`the signing key ${keys}`);
  const [key] = keys;
  const title = isLimited ? "with the limit" : "without it";
  const port = await freePort();
  const authority = `127.0.0.1:${port}`;
  const process = await startServer({
    name: `the origin ${title}`,
    folder: projectFolder,
    args: [join(projectFolder, "test/bench/overload/server.ts")],
    environment: { SIGNING_KEYS, LIMIT: isLimited ? "on" : "off" },
    port,
    readyRequest: () => sealed(key, authority, 10_000),
    signal,
  });
  const requests = async (count: number): Promise<RequestBatch> =>
    requestBatch(
      await Promise.all(Array.from({ length: count }, () => sealed(key, authority, DEADLINE_MS))),
      false,
    );
  return { title, isLimited, process, requests };
};
