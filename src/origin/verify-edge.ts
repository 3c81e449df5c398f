/** Lets through only what the edge has signed, and reads what the edge says about the request. */
import { internalHeaders } from "../contract/internal-headers.ts";
import { coveredFieldsWith, LIFETIME_S } from "../middleware/signature/covered-components.ts";
import { readEdgeContext } from "../middleware/signature/edge-context.ts";
import { createNonceMemory } from "../middleware/signature/nonce-memory.ts";
import type { SigningKey } from "../middleware/signature/signing-keys.ts";
import { CLOCK_SKEW_S, type Refusal, verifyRequest } from "../middleware/signature/verify.ts";
import type { AdmittedRequest } from "./admitted-request.ts";
import type { OriginLog } from "./log.ts";
import { within } from "./within.ts";

export interface ArrivedRequest {
  readonly method: string;
  /** As it arrived. */
  readonly url: string;
  /** Reads a header field by its lower-case name. */
  readonly field: (name: string) => string | undefined;
}

/** The edge has not signed it, as far as can be told here. */
export interface Unsigned {
  readonly isUnsigned: true;
  /** Where its signature is right but for its time: one of the two tiers' clocks is off. */
  readonly mistimed?: { readonly requestId: string; readonly isOnlyHere: () => Promise<boolean> } | undefined;
}

export type VerifyEdge = (request: ArrivedRequest) => AdmittedRequest | Unsigned;

export const isUnsigned = (request: AdmittedRequest | Unsigned): request is Unsigned =>
  "isUnsigned" in request;

/** Reasons that are looked at only where the signature itself is right. */
const MISTIMED: readonly Refusal[] = ["expired", "early"];

/** Path and query exactly as they were sent: what `new URL` would make of them is not what was signed. */
export const targetOf = (url: string): { path: string; query: string } => {
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

/** What Redis says of a nonce: this pod is the first to have it, another one has had it, or nothing. */
type Claimed = "first" | "taken" | "unknown";

/** Asked once, however often it matters. */
const claiming = (claim: ClaimNonce, signatureInput: string): (() => Promise<Claimed>) => {
  const nonce = /;nonce="([^"]+)"/.exec(signatureInput)?.[1] ?? "";
  let asked: Promise<Claimed> | undefined;
  const ask = (): Promise<Claimed> => {
    const answer = claim(nonce).then((isFirst): Claimed => (isFirst ? "first" : "taken"));
    return within(
      answer.catch((): Claimed => "unknown"),
      CLAIM_TIMEOUT_MS,
      "unknown",
    );
  };
  return () => {
    asked ??= ask();
    return asked;
  };
};

const NO_FIELDS: Readonly<Record<string, string>> = {};

export interface VerifyEdgeOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: OriginLog;
  readonly claimNonce: ClaimNonce;
  /** Header fields that handlers read: none of them is believed unsigned. @default none */
  readonly declaredFields?: readonly string[];
}

export const verifyEdge = (
  keys: readonly SigningKey[],
  authorities: readonly string[],
  { now, log, claimNonce, declaredFields = [] }: VerifyEdgeOptions,
): VerifyEdge => {
  const nonces = createNonceMemory(NONCE_LIFETIME_S * 1000);
  const verifier = { keys, authorities, nonces, fields: coveredFieldsWith(declaredFields) };
  const refuse = (reason: Refusal, mistimed?: Unsigned["mistimed"]): Unsigned => {
    // Its path is anybody's to choose.
    log.warn({ reason }, "refused a request that the edge has not signed");
    return { isUnsigned: true, mistimed };
  };
  return ({ method, url, field }) => {
    const target = { method, authority: field("host") ?? "", ...targetOf(url) };
    const claimed = claiming(claimNonce, field("signature-input") ?? "");
    const isOnlyHere = async (): Promise<boolean> => (await claimed()) === "first";
    const verification = verifyRequest(verifier, target, field, now());
    if (!verification.ok) {
      const { reason } = verification;
      const requestId = field(internalHeaders.requestId) ?? "";
      return refuse(reason, MISTIMED.includes(reason) ? { requestId, isOnlyHere } : undefined);
    }
    const context = readEdgeContext(field(internalHeaders.context) ?? "");
    if (context === undefined) return refuse("malformed");
    const { identity, client, timeoutMs, attempt, parentSpanId } = context;
    const claim = async (): Promise<boolean> => {
      // Without Redis each pod knows only its own.
      const isTaken = (await claimed()) === "taken";
      if (isTaken) refuse("replayed");
      return !isTaken;
    };
    return {
      requestId: field(internalHeaders.requestId) ?? "",
      verdict: identity,
      client,
      timeoutMs,
      isSentAgain: attempt > 1,
      cacheControl: field("cache-control"),
      trace: parentSpanId === undefined ? undefined : { parentSpanId },
      notes: {},
      fields: NO_FIELDS,
      claim,
      isOnlyHere,
    };
  };
};
