/** One attempt: a signed request to one origin, its outcome, and the report to the balancer. */
import { internalHeaders } from "../../contract/internal-headers.ts";
import type { Identity } from "../../middleware/auth/principal.ts";
import { writeEdgeContext } from "../../middleware/signature/edge-context.ts";
import { isNotExecuted, NOT_EXECUTED_FIELDS } from "../../middleware/signature/not-executed.ts";
import { contentDigest, LIFETIME_S, signRequest } from "../../middleware/signature/sign.ts";
import type { AsyncSigningKey } from "../../middleware/signature/signing-keys.ts";
import type { EndpointPermit } from "../../resilience/balancer/endpoint.ts";
import { traceIdOf, writeTraceparent } from "../../telemetry/trace-context.ts";
import type { EdgeDeps } from "../app.ts";
import type { OriginAddress } from "../config.ts";

/** The request, the same for every origin. */
export interface SentRequest {
  readonly method: string;
  readonly path: string;
  /** With its leading `?`; empty if there is none. */
  readonly query: string;
  /** The client's fields that are forwarded, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | undefined;
  readonly identity: Identity;
  readonly requestId: string;
  /** In canonical form, or `UNKNOWN_CLIENT`. */
  readonly client: string;
  /** Epoch milliseconds. */
  readonly deadlineAtMs: number;
}

export type Outcome =
  /** Its header fields can be changed. `isRead`: the body has arrived. */
  | { readonly kind: "answered"; readonly response: Response; readonly isRead: boolean }
  /**
   * The origin's 503. `retryAfterMs`: 0 without Retry-After. `isNotExecuted`: proved by the origin. `isRouteBusy`: the origin
   * has room for other routes, so the request counts against no origin, and is not sent to another.
   */
  | {
      readonly kind: "refused";
      readonly response: Response;
      readonly retryAfterMs: number;
      readonly isNotExecuted: boolean;
      readonly isRouteBusy: boolean;
    }
  /** Another server answered, such as a proxy with a page of its own. */
  | { readonly kind: "not_origin"; readonly isGatewayError: boolean }
  /** The origin rejected the time of the signature: one of the two clocks is off. */
  | { readonly kind: "signature_rejected" }
  | { readonly kind: "broken" }
  /** The attempt's signal was aborted first. */
  | { readonly kind: "aborted" };

export type Answered = Extract<Outcome, { kind: "answered" }>;

/** A probe measures an origin with a repeatable request. */
export type AttemptCause = "first" | "probe" | "retry" | "hedge";

export interface AttemptRecord {
  /** From 1. */
  readonly number: number;
  readonly cause: AttemptCause;
  /** Index in `ORIGINS`. */
  readonly origin: number;
  readonly outcome:
    | "answered"
    | "refused"
    | "not_executed"
    | "not_origin"
    | "signature_rejected"
    | "broken"
    | "timed_out"
    /** Another attempt was faster. */
    | "hedge_lost";
  readonly durationMs: number;
}

interface AttemptOptions {
  readonly address: OriginAddress;
  /** From 1. */
  readonly number: number;
  readonly signal: AbortSignal;
  /** Undefined if the request is not sampled. */
  readonly spanId: string | undefined;
}

export interface AttemptDeps extends Pick<EdgeDeps, "now" | "fetch"> {
  readonly key: AsyncSigningKey;
  /** Fields that the signature covers if the request has them. @default those of every contract */
  readonly signedFields?: readonly string[] | undefined;
}

export type SendAttempt = (request: SentRequest, options: AttemptOptions) => Promise<Outcome>;

/** Held back from the origin's time, so that it answers 504 itself: a slow response is no outage. */
const MARGIN_MS = 100;
const MARGIN_SHARE = 0.1;
/**
 * Responses of this size, bytes, are read before they are passed on, so that another origin can serve if the
 * connection breaks. Larger ones would be delayed too long; smaller ones arrive with their head.
 */
const MIN_READ_BYTES = 4 * 1024;
const MAX_READ_BYTES = 64 * 1024;
/** A timeout after less time than this does not count against the origin, milliseconds. */
const MIN_COUNTED_TIMEOUT_MS = 500;

/**
 * Statuses by which a gateway reports an unreachable upstream: 502, 503, 504, and Cloudflare's 520 to 526 and
 * 530 (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/).
 */
const isGatewayError = (status: number): boolean =>
  (status >= 502 && status <= 504) || (status >= 520 && status <= 526) || status === 530;

/** An unread body would hold its connection open. */
export const discard = (response: Response): void => void response.body?.cancel().catch(() => undefined);

/** Whole seconds, as the origin writes them (RFC 9110 §10.2.3). */
const retryAfterMs = (response: Response): number => {
  const seconds = Number(response.headers.get("retry-after") ?? 0);
  return seconds > 0 ? seconds * 1_000 : 0;
};

const isReadFirst = ({ body, headers }: Response): boolean => {
  const length = body === null ? 0 : Number(headers.get("content-length") ?? 0);
  return length >= MIN_READ_BYTES && length <= MAX_READ_BYTES && !headers.has("content-encoding");
};

const withoutProof = (response: Response): Response => {
  const headers = new Headers(response.headers);
  for (const name of [...NOT_EXECUTED_FIELDS, internalHeaders.routeBusy]) headers.delete(name);
  return new Response(response.body, { status: response.status, headers });
};

export const createSendAttempt = ({ key, now, fetch, signedFields }: AttemptDeps): SendAttempt => {
  const unsignedHeaders = (
    request: SentRequest,
    { number, spanId }: AttemptOptions,
    nowMs: number,
  ): Record<string, string> => {
    const leftMs = Math.max(0, request.deadlineAtMs - nowMs);
    const headers: Record<string, string> = {
      ...request.headers,
      [internalHeaders.requestId]: request.requestId,
      [internalHeaders.context]: writeEdgeContext({
        client: request.client,
        identity: request.identity,
        timeoutMs: Math.floor(leftMs - Math.min(MARGIN_MS, leftMs * MARGIN_SHARE)),
        attempt: number,
        parentSpanId: spanId,
      }),
    };
    if (spanId !== undefined) headers["traceparent"] = writeTraceparent(traceIdOf(request.requestId), spanId);
    return headers;
  };

  /** For an origin's 401 and 503: only a signed proof shows that it did nothing. */
  const classifyRefusal = async (
    refusal: Response,
    signature: string,
    sentAtMs: number,
  ): Promise<Outcome> => {
    const { status, headers } = refusal;
    // An older proof may belong to a request that was served later.
    const isProven =
      now() - sentAtMs < LIFETIME_S * 1_000 &&
      (await isNotExecuted(key, signature, status, (name) => headers.get(name)));
    const response = withoutProof(refusal);
    if (status === 503) {
      const isRouteBusy = headers.has(internalHeaders.routeBusy);
      return {
        kind: "refused",
        response,
        retryAfterMs: retryAfterMs(response),
        isNotExecuted: isProven,
        isRouteBusy,
      };
    }
    if (!isProven) return { kind: "answered", response, isRead: false };
    discard(response);
    return { kind: "signature_rejected" };
  };

  return async (request, options) => {
    const { address, signal } = options;
    const { method, path, query, body } = request;
    try {
      const sentAtMs = now();
      const headers = unsignedHeaders(request, options, sentAtMs);
      if (body !== undefined) headers["content-digest"] = await contentDigest(body);
      const target = { method, path, query, authority: address.authority };
      const signing = { nowMs: sentAtMs, nonce: crypto.randomUUID(), names: signedFields };
      const { signature, "signature-input": input } = await signRequest(key, target, headers, signing);
      headers["signature"] = signature;
      headers["signature-input"] = input;
      const response = await fetch(`${address.url}${path}${query}`, {
        method,
        headers,
        signal,
        redirect: "manual",
        body: body ?? null,
      });
      const { status } = response;
      if (response.headers.get(internalHeaders.requestId) !== request.requestId) {
        discard(response);
        return { kind: "not_origin", isGatewayError: isGatewayError(status) };
      }
      if (status === 503 || status === 401) return await classifyRefusal(response, signature, sentAtMs);
      const isRead = isReadFirst(response);
      const read = isRead ? await response.arrayBuffer() : response.body;
      // The one copy of the response: those of `fetch` are immutable.
      return { kind: "answered", response: new Response(read, response), isRead };
    } catch {
      return { kind: signal.aborted ? "aborted" : "broken" };
    }
  };
};

export const isServerError = ({ status }: Response): boolean => status >= 500;
/** A 504 used up its time: it does not show how fast the origin fails. */
export const isFastServerError = (response: Response): boolean =>
  isServerError(response) && response.status !== 504;

/** Reports the outcome to the balancer. @param timedOutAfterMs the time that an aborted attempt had */
export const settlePermit = (
  permit: EndpointPermit,
  outcome: Outcome,
  timedOutAfterMs = 0,
): AttemptRecord["outcome"] => {
  switch (outcome.kind) {
    case "answered":
      if (isFastServerError(outcome.response)) permit.serverError();
      else permit.answered();
      return "answered";
    case "aborted":
      if (timedOutAfterMs >= MIN_COUNTED_TIMEOUT_MS) permit.unreachable("timed_out");
      else permit.ignore();
      return "timed_out";
    case "refused":
      if (outcome.isRouteBusy) permit.ignore();
      else permit.refused(outcome.retryAfterMs);
      return outcome.isNotExecuted ? "not_executed" : "refused";
    case "broken":
      permit.unreachable("broken");
      return outcome.kind;
    case "signature_rejected":
      permit.unreachable("gateway");
      return outcome.kind;
    case "not_origin":
      if (outcome.isGatewayError) permit.unreachable("gateway");
      else permit.refused(0);
      return outcome.kind;
  }
};
