/** A request as the edge would send it, straight to an origin. */

import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { contract } from "../../src/contract/contract.ts";
import { internalHeaders } from "../../src/contract/internal-headers.ts";
import { scopesOf } from "../../src/contract/route.ts";
import { writeEdgeContext } from "../../src/middleware/signature/edge-context.ts";
import { contentDigest, signRequest } from "../../src/middleware/signature/sign.ts";
import { parseSigningKeys } from "../../src/middleware/signature/signing-keys.ts";
import { nodeHmac } from "../../src/origin/config/hmac.ts";
import type { System } from "./system.ts";

export interface SignedInit {
  /** @default "GET" */
  readonly method?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Who asks, with every scope. @default nobody */
  readonly principal?: string;
  /** What the edge says is left of the request's deadline, milliseconds. */
  readonly timeoutMs: number;
  /** @default 1 */
  readonly attempt?: number;
  /** Fields of the client's that go along, by lower-case name. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface SignedRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

/** @param path with its query */
export const signed = async (
  { origins, signingKeys }: System,
  path: string,
  { method = "GET", json, principal, timeoutMs, attempt = 1, headers = {} }: SignedInit,
): Promise<SignedRequest> => {
  const base = origins[0]?.url ?? "";
  const keys = parseSigningKeys(signingKeys, nodeHmac);
  if (typeof keys === "string") throw new Error(keys);
  const body = json === undefined ? undefined : new TextEncoder().encode(JSON.stringify(json));
  const all: Record<string, string> = {
    ...headers,
    [internalHeaders.requestId]: crypto.randomUUID(),
    [internalHeaders.context]: writeEdgeContext({
      client: "127.0.0.1",
      identity:
        principal === undefined
          ? { auth: "none" }
          : { auth: "api-key", principal: { id: principal, scopes: scopesOf(contract) } },
      timeoutMs,
      attempt,
      parentSpanId: undefined,
    }),
    ...(body === undefined
      ? {}
      : { "content-type": "application/json", "content-digest": await contentDigest(body) }),
  };
  const { host, pathname, search } = new URL(path, base);
  const target = { method, authority: host, path: pathname, query: search };
  const nonce = randomBytes(16).toString("base64url");
  const signature = await signRequest(keys[0], target, all, { nowMs: Date.now(), nonce });
  return { url: `${base}${path}`, method, headers: { ...all, ...signature }, body };
};

export const sendSigned = async (system: System, path: string, init: SignedInit): Promise<Response> => {
  const { url, method, headers, body } = await signed(system, path, init);
  return await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
};

/** Sends it on a connection of its own, for a client that goes away. Returns how to go. */
export const beginSigned = async (system: System, path: string, init: SignedInit): Promise<() => void> => {
  const { url, method, headers, body } = await signed(system, path, init);
  const sending = request(url, { method, headers: { ...headers }, agent: false });
  // It is meant to be cut.
  sending.on("error", () => undefined);
  sending.end(body);
  return () => void sending.destroy();
};
