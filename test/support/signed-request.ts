/** Requests signed like the edge's, directly to an origin. */
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { contract } from "../../src/contract/contract.ts";
import { internalHeaders } from "../../src/contract/internal-headers.ts";
import { scopesOf } from "../../src/contract/route.ts";
import { writeEdgeContext } from "../../src/middleware/signature/edge-context.ts";
import { contentDigest, signRequest } from "../../src/middleware/signature/sign.ts";
import { parseSigningKeys, type SigningKey } from "../../src/middleware/signature/signing-keys.ts";
import { nodeHmac } from "../../src/origin/config/hmac.ts";
import type { System } from "./system.ts";

/** Those of `origin-process.ts`. */
export const SIGNING_KEYS = `k:${"A".repeat(43)}=`;
/** The client of every signed request. */
export const CLIENT = "192.0.2.1";

export interface SignedInit {
  /** @default "GET" */
  readonly method?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** With every scope. @default none */
  readonly principal?: string;
  /** The remaining time until the request's deadline, milliseconds. @default 15,000 */
  readonly timeoutMs?: number;
  /** @default 1 */
  readonly attempt?: number;
  /** Unix time of the signature, milliseconds. @default now */
  readonly atMs?: number;
  readonly nonce?: string;
  /** The edge's sampled span. @default not sampled */
  readonly parentSpanId?: string | undefined;
  /** The client's fields, by lower-case name. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface EdgeRequest extends SignedInit {
  /** With its query. */
  readonly path: string;
}

export interface SignedRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

/** The first key of the configuration, the signing one. */
export const signingKeyOf = (signingKeys: string): SigningKey => {
  const keys = parseSigningKeys(signingKeys, nodeHmac);
  if (keys === undefined) throw new Error("wrong signing keys");
  return keys[0];
};

export const signEdgeRequest = async (
  authority: string,
  { path, method = "GET", json, principal, timeoutMs = 15_000, attempt = 1, ...others }: EdgeRequest,
  signingKeys = SIGNING_KEYS,
): Promise<Omit<SignedRequest, "url">> => {
  const { headers = {}, atMs: nowMs = Date.now(), parentSpanId } = others;
  const nonce = others.nonce ?? randomBytes(16).toString("base64url");
  const body = json === undefined ? undefined : new TextEncoder().encode(JSON.stringify(json));
  const fields: Record<string, string> = {
    ...headers,
    [internalHeaders.requestId]: crypto.randomUUID(),
    [internalHeaders.context]: writeEdgeContext({
      client: CLIENT,
      identity:
        principal === undefined
          ? { auth: "none" }
          : { auth: "api-key", principal: { id: principal, scopes: scopesOf(contract) } },
      timeoutMs,
      attempt,
      parentSpanId,
    }),
    ...(body && { "content-type": "application/json", "content-digest": await contentDigest(body) }),
  };
  const { pathname, search } = new URL(path, `http://${authority}`);
  const target = { method, authority, path: pathname, query: search };
  const signature = await signRequest(signingKeyOf(signingKeys), target, fields, { nowMs, nonce });
  return { method, headers: { host: authority, ...fields, ...signature }, body };
};

export const signed = async (
  { origins, signingKeys }: System,
  path: string,
  init: SignedInit,
): Promise<SignedRequest> => {
  const base = origins[0]?.url ?? "";
  return {
    url: `${base}${path}`,
    ...(await signEdgeRequest(new URL(base).host, { path, ...init }, signingKeys)),
  };
};

export const fetchSigned = ({ url, method, headers, body }: SignedRequest): Promise<Response> =>
  fetch(url, { method, headers, ...(body && { body }) });

export const sendSigned = async (system: System, path: string, init: SignedInit = {}): Promise<Response> =>
  fetchSigned(await signed(system, path, init));

/** Sends it on its own connection. @returns a function that closes the connection, like a client that disconnects */
export const beginSigned = async (system: System, path: string, init: SignedInit): Promise<() => void> => {
  const { url, method, headers, body } = await signed(system, path, init);
  const sending = request(url, { method, headers: { ...headers }, agent: false });
  sending.on("error", () => undefined);
  sending.end(body);
  return () => void sending.destroy();
};
