/** Requests to the origin as the edge sends them, with its signature. */
import { randomBytes, randomUUID } from "node:crypto";
import { internalHeaders } from "../../../src/contract/internal-headers.ts";
import type { Identity } from "../../../src/middleware/auth/principal.ts";
import { writeEdgeContext } from "../../../src/middleware/signature/edge-context.ts";
import { contentDigest, signRequest } from "../../../src/middleware/signature/sign.ts";
import { parseSigningKeys, type SigningKey } from "../../../src/middleware/signature/signing-keys.ts";
import { nodeHmac } from "../../../src/origin/config/hmac.ts";
import { rawRequest } from "../support/request-batch.ts";

export interface EdgeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly identity: Identity;
  /** The edge's span. @default not sampled */
  readonly parentSpanId?: string | undefined;
  /** Until the request's deadline. @default 10 s */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;
const NONCE_BYTES = 16;

export interface BenchSigningKey {
  /** As in SIGNING_KEYS. */
  readonly text: string;
  readonly key: SigningKey;
}

export const createSigningKey = (): BenchSigningKey => {
  const text = `bench:${randomBytes(32).toString("base64")}`;
  const keys = parseSigningKeys(text, nodeHmac);
  if (typeof keys === "string") throw new Error(`the signing key ${keys}`);
  return { text, key: keys[0] };
};

/** Bodies recur, and so do their digests. */
const digests = new Map<string, string>();
const digestOf = async (body: string): Promise<string> => {
  const digest = digests.get(body) ?? (await contentDigest(new Uint8Array(Buffer.from(body))));
  digests.set(body, digest);
  return digest;
};

/** The header fields of a request that is accepted once, within 30 s. */
export const sealedFields = async (
  key: SigningKey,
  authority: string,
  { method, path, headers, body, identity, parentSpanId, timeoutMs = TIMEOUT_MS }: EdgeRequest,
): Promise<Readonly<Record<string, string>>> => {
  const sent: Record<string, string> = {
    host: authority,
    ...headers,
    [internalHeaders.requestId]: randomUUID(),
    [internalHeaders.context]: writeEdgeContext({
      client: "198.51.100.7",
      identity,
      timeoutMs,
      attempt: 1,
      parentSpanId,
    }),
  };
  if (body !== undefined) sent["content-digest"] = await digestOf(body);
  const nonce = randomBytes(NONCE_BYTES).toString("base64url");
  const target = { method, authority, path, query: "" };
  const signature = await signRequest(key, target, sent, { nowMs: Date.now(), nonce });
  return { ...sent, ...signature };
};

/** A request that is accepted once, within 30 s. */
export const sealedRequest = async (
  key: SigningKey,
  authority: string,
  request: EdgeRequest,
): Promise<string> => {
  const { method, path: target, body } = request;
  const headers = await sealedFields(key, authority, request);
  return rawRequest({ method, target, headers, ...(body === undefined ? {} : { body }) });
};
