/** Verifies that the edge has signed a request, and reads the edge's context from it. */
import type { Context } from "hono";
import { edgeRoutes } from "../../contract/edge-manifest.ts";
import { internalHeaders } from "../../contract/internal-headers.ts";
import { problem } from "../../contract/problem.ts";
import { withTimeout } from "../../lib/async.ts";
import { clientIdentities } from "../../middleware/context/client.ts";
import { problemResponse } from "../../middleware/problems/index.ts";
import { readEdgeContext } from "../../middleware/signature/edge-context.ts";
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

/** The edge's context of a request that it has signed. */
export interface EdgeRequest {
  /** From 1. */
  readonly attempt: number;
  /** The edge's directives to the response cache; a client's never reach the origin. */
  readonly cacheControl: string | undefined;
  /** The edge's span of this attempt; undefined if the request is not sampled. */
  readonly parentSpanId: string | undefined;
  /** Whether another pod has received the request too, by Redis. Asked once. */
  nonceState(): Promise<NonceState>;
}

/** `unknown` if Redis does not answer: then only a replay at the same pod is detected. */
type NonceState = "first" | "taken" | "unknown";

/** A nonce is remembered as long as its signature could be accepted, seconds. */
export const NONCE_LIFETIME_S = LIFETIME_S + 2 * CLOCK_SKEW_S;
/** The longest wait for Redis, milliseconds. */
const CLAIM_TIMEOUT_MS = 100;
/** Size of the cache of parsed addresses. */
const MAX_CLIENTS = 10_000;

/** Reasons of valid signatures: the clocks of the tiers differ. */
const CLOCK_REASONS: readonly Refusal[] = ["expired", "early"];
const SAFE_METHODS: readonly string[] = ["GET", "HEAD"];

/**
 * The signed header fields that let the edge send the request to another origin; none unless it is certain
 * that nothing was done for it. A proxy between the tiers may have sent it to several pods, one of which
 * executes it.
 */
export const notExecutedProof = async (
  keys: readonly SigningKey[],
  status: number,
  c: OriginContext,
  { nonceState }: Pick<EdgeRequest, "nonceState">,
): Promise<Readonly<Record<string, string>>> => {
  const isCertain = SAFE_METHODS.includes(c.req.method) || (await nonceState()) === "first";
  return isCertain ? (signNotExecuted(keys, status, (name) => c.req.header(name)) ?? {}) : {};
};

/** Whether a request claims to come from the edge. */
export const hasEdgeSignature = (c: Context): boolean =>
  c.req.header("signature-input")?.startsWith(`${LABEL}=`) === true;

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

  const askRedis = async (nonce: string): Promise<NonceState> => {
    if (await claimNonce(nonce)) return "first";
    logRejection("replayed");
    return "taken";
  };
  const nonceState = (nonce: string): Promise<NonceState> => {
    const answer = askRedis(nonce).catch((): NonceState => "unknown");
    return withTimeout(answer, CLAIM_TIMEOUT_MS, { fallback: "unknown" });
  };

  const reject = async (c: OriginContext, { reason, nonce }: Rejected): Promise<Response> => {
    logRejection(reason);
    const headers = CLOCK_REASONS.includes(reason)
      ? await notExecutedProof(keys, 401, c, { nonceState: () => nonceState(nonce ?? "") })
      : {};
    // Without a proof the response has a new request id: the edge then takes it for a proxy's and never passes it on.
    if (Object.keys(headers).length === 0) return problemResponse(unsigned, c.get("requestId"));
    // The signature is the edge's: an origin whose clock is right may accept it.
    c.set("requestId", c.req.header(internalHeaders.requestId) ?? "");
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
    let state: Promise<NonceState> | undefined;
    c.set("edge", {
      attempt: context.attempt,
      parentSpanId: context.parentSpanId,
      cacheControl: field("cache-control"),
      nonceState: () => (state ??= nonceState(verification.nonce)),
    });
    return next();
  };
};
