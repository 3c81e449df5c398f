/** One attempt: a signed request to one origin, and what its end says about that origin. */
import { internalHeaders } from "../../contract/internal-headers.ts";
import { toBase64Url } from "../../lib/encoding.ts";
import type { Identity } from "../../middleware/auth/principal.ts";
import { writeEdgeContext } from "../../middleware/signature/edge-context.ts";
import { isNotExecuted, NOT_EXECUTED_FIELDS } from "../../middleware/signature/not-executed.ts";
import { contentDigest, LIFETIME_S, signRequest } from "../../middleware/signature/sign.ts";
import type { AsyncSigningKey } from "../../middleware/signature/signing-keys.ts";
import type { EndpointPermit } from "../../resilience/balancer/endpoint.ts";
import { traceIdOf, writeTraceparent } from "../../telemetry/trace-context.ts";
import type { OriginAddress } from "../config.ts";

/** What is sent, to whichever origin. */
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
  | {
      readonly kind: "answered";
      readonly response: Response;
      /** Whether its body has arrived. */
      readonly isRead: boolean;
    }
  /** The origin's own 503: it is up and did not serve the request. */
  | {
      readonly kind: "refused";
      readonly response: Response;
      /** 0 if the response names none. */
      readonly retryAfterMs: number;
      /** Whether the origin proved that it has done nothing. */
      readonly isNotExecuted: boolean;
    }
  /** Something else answered, such as a proxy with a page of its own. */
  | { readonly kind: "not_origin"; readonly isGatewayError: boolean }
  /** The origin rejected the signature's time: one of the two clocks is off. */
  | { readonly kind: "signature_rejected" }
  | { readonly kind: "broken" }
  /** The attempt's signal was aborted first. */
  | { readonly kind: "aborted" };

export type Answered = Extract<Outcome, { kind: "answered" }>;

/** Why an attempt was made. A probe finds out how an origin is, with a request that may be sent again. */
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

export interface AttemptOptions {
  readonly address: OriginAddress;
  /** From 1. */
  readonly number: number;
  readonly signal: AbortSignal;
  /** Undefined if the request is not sampled. */
  readonly spanId: string | undefined;
}

export interface AttemptDeps {
  readonly key: AsyncSigningKey;
  /** Fields that the signature covers if the request has them. @default those of every contract */
  readonly signedFields?: readonly string[] | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly fetch: typeof globalThis.fetch;
}

export type SendAttempt = (request: SentRequest, options: AttemptOptions) => Promise<Outcome>;

/** The origin gets a little less time than is left, so that it answers 504 itself: a slow response is not an outage. */
const MARGIN_MS = 100;
const MARGIN_SHARE = 0.1;
/**
 * Responses of this size are read before they are passed on, so that another origin can serve if one breaks off, bytes. A
 * larger one would be held too long; a smaller one arrives with its head, and reading it costs as much as forwarding it.
 */
const MIN_READ_BYTES = 4 * 1024;
const MAX_READ_BYTES = 64 * 1024;
/** An attempt that had less time says nothing by running out of it, milliseconds. */
const TELLING_MS = 500;

/**
 * A gateway's word that its upstream is unreachable: 502, 503, 504, and Cloudflare's 520 to 526 and 530
 * (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/).
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

const isReadFirst = ({ headers }: Response): boolean => {
  const length = Number(headers.get("content-length") ?? 0);
  return length >= MIN_READ_BYTES && length <= MAX_READ_BYTES && !headers.has("content-encoding");
};

const withoutProof = (response: Response): Response => {
  if (!NOT_EXECUTED_FIELDS.some((name) => response.headers.has(name))) return response;
  const headers = new Headers(response.headers);
  for (const name of NOT_EXECUTED_FIELDS) headers.delete(name);
  return new Response(response.body, { status: response.status, headers });
};

const NONCE_BYTES = 16;

/** Nonces that no other isolate makes: random bytes are drawn once per isolate, then counted on. */
export const nonces = (): (() => string) => {
  let prefix: string | undefined;
  let count = 0;
  return () => {
    // Workers forbid randomness outside a request.
    prefix ??= toBase64Url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
    count += 1;
    return `${prefix}${count.toString(36)}`;
  };
};

export const createSendAttempt = ({ key, now, fetch, signedFields }: AttemptDeps): SendAttempt => {
  const nextNonce = nonces();

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

  /** Of an origin's 401 and 503: only its proof says that it has done nothing. */
  const classifyRefusal = async (
    response: Response,
    signature: string,
    sentAtMs: number,
  ): Promise<Outcome> => {
    const { status, headers } = response;
    // An older proof may be about a request that has been served since.
    const isProven =
      now() - sentAtMs < LIFETIME_S * 1_000 &&
      (await isNotExecuted(key, signature, status, (name) => headers.get(name)));
    if (status === 503) {
      return {
        kind: "refused",
        response: withoutProof(response),
        retryAfterMs: retryAfterMs(response),
        isNotExecuted: isProven,
      };
    }
    if (!isProven) return { kind: "answered", response: withoutProof(response), isRead: false };
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
      const signing = { nowMs: sentAtMs, nonce: nextNonce(), names: signedFields };
      const { signature, "signature-input": input } = await signRequest(key, target, headers, signing);
      headers["signature"] = signature;
      headers["signature-input"] = input;
      const response = await fetch(`${address.url}${path}${query}`, {
        method,
        headers,
        signal,
        redirect: "manual",
        ...(body === undefined ? {} : { body }),
      });
      const { status, headers: fields } = response;
      if (fields.get(internalHeaders.requestId) !== request.requestId) {
        discard(response);
        return { kind: "not_origin", isGatewayError: isGatewayError(status) };
      }
      if (status === 503 || status === 401) return await classifyRefusal(response, signature, sentAtMs);
      if (response.body === null || !isReadFirst(response))
        return { kind: "answered", response, isRead: false };
      const whole = await response.arrayBuffer();
      return { kind: "answered", response: new Response(whole, { status, headers: fields }), isRead: true };
    } catch {
      return { kind: signal.aborted ? "aborted" : "broken" };
    }
  };
};

/** Whether a response of the origin says that it failed to serve the request. */
export const isServerError = ({ status }: Response): boolean => status >= 500;
/** A 504 has used up its time, and says nothing about how fast the origin fails. */
export const isFastServerError = (response: Response): boolean =>
  isServerError(response) && response.status !== 504;

/**
 * Reports an attempt's end to the balancer.
 *
 * @param timedOutAfterMs how much time the attempt had, if it ran out of it
 */
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
      if (timedOutAfterMs >= TELLING_MS) permit.unreachable("timed_out");
      else permit.ignore();
      return "timed_out";
    case "refused":
      permit.refused(outcome.retryAfterMs);
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
