/** Lets through only what the edge has signed, and reads what the edge says about the request. */
import { createMiddleware } from "hono/factory";
import { problem } from "../contract/problem.ts";
import { tierHeaders } from "../contract/tier-headers.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { readVerdict, type Verdict } from "../core/security/verdict.ts";
import { LIFETIME_S } from "../core/signature/edge-request.ts";
import { createNonceMemory } from "../core/signature/nonce-memory.ts";
import type { SigningKey } from "../core/signature/signing-keys.ts";
import { CLOCK_SKEW_S, type Verifier, verifyRequest } from "../core/signature/verify.ts";
import type { OriginLog } from "./log.ts";
import { within } from "./within.ts";

export interface OriginVariables {
  requestId: string;
  verdict: Verdict;
  /** What was left of the request's deadline when the edge sent it, milliseconds. */
  timeoutMs: number;
}

export interface OriginEnvironment {
  Variables: OriginVariables;
}

/** Path and query exactly as they were sent: what `new URL` would make of them is not what was signed. */
const targetOf = (url: string): { path: string; query: string } => {
  const pathAt = url.indexOf("/", url.indexOf("://") + 3);
  const target = pathAt === -1 ? "/" : url.slice(pathAt);
  const queryAt = target.indexOf("?");
  return queryAt === -1
    ? { path: target, query: "" }
    : { path: target.slice(0, queryAt), query: target.slice(queryAt) };
};

/** Whether no pod has seen the nonce before, as Redis tells; rejects where it cannot. */
export type ClaimNonce = (nonce: string) => Promise<boolean>;

/** For so long a nonce has to be remembered: while its signature could still be taken, seconds. */
export const NONCE_LIFETIME_S = LIFETIME_S + 2 * CLOCK_SKEW_S;
/** Longer than this no write waits for what the other pods have seen, milliseconds. */
const CLAIM_TIMEOUT_MS = 100;

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** Refuses what another pod has taken already; without Redis each pod knows only its own. */
const isClaimed = async (claim: ClaimNonce, signatureInput: string): Promise<boolean> => {
  const nonce = /;nonce="([^"]+)"/.exec(signatureInput)?.[1] ?? "";
  return await within(
    claim(nonce).catch(() => true),
    CLAIM_TIMEOUT_MS,
    true,
  );
};

export const verifyEdge = (
  keys: readonly SigningKey[],
  authorities: readonly string[],
  { now, log, claimNonce }: { now: () => number; log: OriginLog; claimNonce: ClaimNonce },
) => {
  const nonces = createNonceMemory(NONCE_LIFETIME_S * 1000);
  const verifier: Verifier = { keys, authorities, nonces };
  return createMiddleware<OriginEnvironment>(async (c, next) => {
    const field = (name: string) => c.req.header(name);
    const target = { method: c.req.method, authority: field("host") ?? "", ...targetOf(c.req.url) };
    let verification = verifyRequest(verifier, target, field, now());
    const isWrite = !SAFE_METHODS.has(c.req.method);
    if (verification.ok && isWrite && !(await isClaimed(claimNonce, field("signature-input") ?? ""))) {
      verification = { ok: false, reason: "replayed" };
    }
    const verdict = verification.ok
      ? readVerdict(field(tierHeaders.verdict) ?? "", field(tierHeaders.principal))
      : undefined;
    if (!verification.ok || verdict === undefined) {
      const reason = verification.ok ? "malformed" : verification.reason;
      log.warn({ reason, path: target.path }, "refused a request that the edge has not signed");
      return problemResponse(problem("unsigned"), crypto.randomUUID());
    }
    c.set("requestId", field(tierHeaders.requestId) ?? "");
    c.set("verdict", verdict);
    c.set("timeoutMs", Number(field(tierHeaders.timeoutMs)));
    return await next();
  });
};
