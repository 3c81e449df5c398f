/** Lets only requests pass that the edge has signed, and reads what the edge knows about them. */
import type { Context } from "hono";
import { edgeRoutes } from "../../contract/edge-manifest.ts";
import { internalHeaders } from "../../contract/internal-headers.ts";
import { problem } from "../../contract/problem.ts";
import { withTimeout } from "../../lib/async.ts";
import { clientIdentities } from "../../middleware/context/client.ts";
import { problemResponse } from "../../middleware/problems/index.ts";
import { type ReceivedContext, readEdgeContext } from "../../middleware/signature/edge-context.ts";
import { signNotExecuted } from "../../middleware/signature/not-executed.ts";
import { coveredFieldsWith, LABEL, LIFETIME_S } from "../../middleware/signature/sign.ts";
import type { SigningKey } from "../../middleware/signature/signing-keys.ts";
import {
  CLOCK_SKEW_S,
  createVerifier,
  type Refusal,
  type Rejected,
} from "../../middleware/signature/verify.ts";
import type { OriginDependencies } from "../app.ts";
import type { OriginContext, OriginMiddleware } from "./context.ts";

/** What the edge knows about a request that it has signed. */
export interface EdgeRequest {
  /** From 1. */
  readonly attempt: number;
  /** The edge's own directives to the response cache; a client's never reach the origin. */
  readonly cacheControl: string | undefined;
  /** The edge's span of this attempt; undefined if the request is not sampled. */
  readonly parentSpanId: string | undefined;
  /** Whether no other pod has received the request. A write without a key must not start before it is known. */
  claim(): Promise<boolean>;
  /** Whether it is certain that no other pod has received it or will accept it. Without Redis it is not. */
  isOnlyHere(): Promise<boolean>;
}

/** Whether no pod has seen the nonce before, by Redis; rejects if Redis does not answer. */
export type ClaimNonce = (nonce: string) => Promise<boolean>;

/** How long a nonce has to be remembered: as long as its signature could be accepted, seconds. */
export const NONCE_LIFETIME_S = LIFETIME_S + 2 * CLOCK_SKEW_S;
/** The longest wait for Redis to answer for a nonce, milliseconds. */
const CLAIM_TIMEOUT_MS = 100;
/** How many addresses are kept parsed. */
const MAX_CLIENTS = 10_000;

/** Checked only after the signature itself: the clocks of the tiers differ. */
const CLOCK_REASONS: readonly Refusal[] = ["expired", "early"];
const SAFE_METHODS: readonly string[] = ["GET", "HEAD"];

type NonceState = "first" | "taken" | "unknown";

const nonceState = async (claimNonce: ClaimNonce, nonce: string): Promise<NonceState> => {
  const answer = claimNonce(nonce).then(
    (isFirst): NonceState => (isFirst ? "first" : "taken"),
    (): NonceState => "unknown",
  );
  return await withTimeout(answer, CLAIM_TIMEOUT_MS, { fallback: "unknown" });
};

/** @param askRedis is called once, at the first question */
const signedRequest = (
  { attempt, parentSpanId }: ReceivedContext,
  cacheControl: string | undefined,
  askRedis: () => Promise<NonceState>,
): EdgeRequest => {
  let state: Promise<NonceState> | undefined;
  const ask = (): Promise<NonceState> => {
    state ??= askRedis();
    return state;
  };
  return {
    attempt,
    parentSpanId,
    cacheControl,
    // Without Redis a pod knows only the nonces that it has seen itself.
    claim: async () => (await ask()) !== "taken",
    isOnlyHere: async () => (await ask()) === "first",
  };
};

/**
 * The fields by which the edge knows that nothing was done for a request; none if that is not certain. A proxy between the
 * tiers may have sent the request to several pods: another one may have done it.
 */
export const notExecutedProof = async (
  keys: readonly SigningKey[],
  status: number,
  c: OriginContext,
  edge: Pick<EdgeRequest, "isOnlyHere">,
): Promise<Readonly<Record<string, string>>> => {
  const isCertain = SAFE_METHODS.includes(c.req.method) || (await edge.isOnlyHere());
  return isCertain ? (signNotExecuted(keys, status, (name) => c.req.header(name)) ?? {}) : {};
};

/** Whether a request claims to come from the edge. */
export const hasEdgeSignature = (c: Context): boolean =>
  c.req.header("signature-input")?.startsWith(`${LABEL}=`) === true;

/** Rejects every request that the edge has not signed. */
export const verifySignature = (dependencies: OriginDependencies): OriginMiddleware => {
  const { routes, signingKeys: keys, authorities, claimNonce, log, now } = dependencies;
  // Every field that a handler reads has to be signed.
  const declaredFields = Object.values(edgeRoutes(routes)).flatMap(({ fields }) => fields);
  const verify = createVerifier({
    keys,
    authorities,
    nonceLifetimeMs: NONCE_LIFETIME_S * 1000,
    fields: coveredFieldsWith(declaredFields),
  });
  const identify = clientIdentities(MAX_CLIENTS);
  const unsigned = problem("unsigned");
  const logRejection = (reason: Refusal): void =>
    log.warn({ reason }, "rejected a request that the edge has not signed");

  const claim: ClaimNonce = async (nonce) => {
    const isFirst = await claimNonce(nonce);
    if (!isFirst) logRejection("replayed");
    return isFirst;
  };

  const reject = async (c: OriginContext, { reason, nonce }: Rejected): Promise<Response> => {
    logRejection(reason);
    if (!CLOCK_REASONS.includes(reason)) return problemResponse(unsigned, c.get("requestId"));
    // Signed by the edge: an origin whose clock is right may accept it.
    c.set("requestId", c.req.header(internalHeaders.requestId) ?? "");
    const isOnlyHere = async () => (await nonceState(claim, nonce ?? "")) === "first";
    const headers = await notExecutedProof(keys, 401, c, { isOnlyHere });
    return problemResponse(problem("unsigned", { headers }), c.get("requestId"));
  };

  return (c, next) => {
    const field = (name: string): string | undefined => c.req.header(name);
    const { path, query } = c.get("target");
    const target = { method: c.req.method, authority: field("host") ?? "", path, query };
    const verification = verify(target, field, now());
    if (!verification.ok) return reject(c, verification);
    const context = readEdgeContext(field(internalHeaders.context) ?? "", identify);
    if (context === undefined) return reject(c, { reason: "malformed" });
    c.set("requestId", field(internalHeaders.requestId) ?? "");
    c.set("client", context.client);
    c.set("identity", context.identity);
    c.set("deadlineAtMs", now() + context.timeoutMs);
    const askRedis = () => nonceState(claim, verification.nonce);
    c.set("edge", signedRequest(context, field("cache-control"), askRedis));
    return next();
  };
};
