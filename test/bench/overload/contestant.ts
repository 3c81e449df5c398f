/** The origin with and without its limit: the same program twice. */
import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { internalHeaders } from "../../../src/contract/internal-headers.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { writeEdgeContext } from "../../../src/middleware/signature/edge-context.ts";
import { signRequest } from "../../../src/middleware/signature/sign.ts";
import { parseSigningKeys, type SigningKey } from "../../../src/middleware/signature/signing-keys.ts";
import { type RequestBatch, rawRequest, requestBatch } from "../support/request-batch.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { SERVICE_MS } from "./backend.ts";

/** What each request has left of its deadline, and what an answer is of use within. */
export const DEADLINE_MS = 10 * SERVICE_MS;

export interface Contestant {
  readonly title: string;
  readonly isLimited: boolean;
  readonly process: ServerProcess;
  /** So many, each of which is taken once, within the next 30 s. */
  requests(count: number): RequestBatch;
}

const SIGNING_KEYS = `bench:${randomBytes(32).toString("base64")}`;
const PATH = "/v1/orders";
const NONCE_BYTES = 16;

const identity = { auth: "api-key", principal: { id: "bench", scopes: ["orders:read"] } } as const;

/** As the edge sends it. */
const sealed = (key: SigningKey, authority: string, timeoutMs: number): string => {
  const target = { method: "GET", authority, path: PATH, query: "" };
  const sent: Record<string, string> = {
    host: authority,
    accept: "application/json",
    [internalHeaders.requestId]: randomUUID(),
    [internalHeaders.context]: writeEdgeContext({
      client: "198.51.100.7",
      identity,
      timeoutMs,
      attempt: 1,
      parentSpanId: undefined,
    }),
  };
  const nonce = randomBytes(NONCE_BYTES).toString("base64url");
  const signature = signRequest(key, target, sent, Date.now(), nonce);
  return rawRequest({ method: "GET", target: PATH, headers: { ...sent, ...signature } });
};

/** @throws LocalError where it does not start */
export const startContestant = async (isLimited: boolean, signal: AbortSignal): Promise<Contestant> => {
  const keys = parseSigningKeys(SIGNING_KEYS);
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
    readyRequest: async () => sealed(key, authority, 10_000),
    signal,
  });
  const requests = (count: number): RequestBatch =>
    requestBatch(
      Array.from({ length: count }, () => sealed(key, authority, DEADLINE_MS)),
      false,
    );
  return { title, isLimited, process, requests };
};
