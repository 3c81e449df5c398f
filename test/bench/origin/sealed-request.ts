/** Requests to the origin as the edge sends them, with its signature, as text. */
import { randomBytes } from "node:crypto";
import { type EdgeRequest, signEdgeRequest } from "../../support/signed-request.ts";
import { rawRequest } from "../support/request-batch.ts";

/** As in SIGNING_KEYS. */
export const createSigningKeys = (): string => `bench:${randomBytes(32).toString("base64")}`;

/** A request that is accepted once, within 30 s. */
export const sealedRequest = async (
  signingKeys: string,
  authority: string,
  request: EdgeRequest,
): Promise<string> => {
  const { method, headers, body } = await signEdgeRequest(authority, request, signingKeys);
  const text = body && Buffer.from(body).toString();
  return rawRequest({ method, target: request.path, headers, body: text });
};
