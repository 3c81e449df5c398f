/** Sends a signed request to one origin, once, and tells answers from failures. */
import { internalHeaders } from "../contract/internal-headers.ts";
import { toBase64Url } from "../lib/encoding.ts";
import type { Identity } from "../middleware/auth/principal.ts";
import { contentDigest } from "../middleware/signature/content-digest.ts";
import { LIFETIME_S } from "../middleware/signature/covered-components.ts";
import { writeEdgeContext } from "../middleware/signature/edge-context.ts";
import { isNotExecuted, NOT_EXECUTED_FIELDS } from "../middleware/signature/not-executed.ts";
import { signRequest } from "../middleware/signature/sign.ts";
import type { SigningKey } from "../middleware/signature/signing-keys.ts";
import type { UnreachableReason } from "../resilience/balancer/endpoint.ts";
import { traceIdOf, writeTraceparent } from "../telemetry/trace-context.ts";
import type { OriginAddress } from "./configuration.ts";

/** What is sent, whichever origin gets it. */
export interface SendableRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** The client's fields that go along, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly verdict: Identity;
  readonly requestId: string;
  readonly clientAddress: string;
  /** Epoch milliseconds. */
  readonly deadlineAtMs: number;
  /** Ends it before: its client has gone. @default nothing does */
  readonly deadline?: AbortSignal | undefined;
}

export type Outcome =
  | { readonly kind: "answered"; readonly response: Response }
  /** Our origin's own 503: it is there, and did not do it. */
  | {
      readonly kind: "refused";
      readonly response: Response;
      /** 0 where it named none. */
      readonly retryAfterMs: number;
      /** Whether it is sure, and the edge may be, that nothing was done. */
      readonly isNotExecuted: boolean;
    }
  /** What answered is not our origin: a proxy's own page, say. */
  | { readonly kind: "foreign"; readonly isAway: boolean }
  /** Our origin, and it could not believe us: its clock, or ours, is off. */
  | { readonly kind: "disbelieved" }
  | { readonly kind: "broken" }
  /** Its signal was aborted first. */
  | { readonly kind: "aborted" };

export interface AttemptOptions {
  readonly address: OriginAddress;
  /** From 1. */
  readonly number: number;
  /** Ends it. */
  readonly controller: AbortController;
  /** Of its span, where the request's trace is kept. */
  readonly spanId?: string | undefined;
}

export interface SendSurroundings {
  readonly key: SigningKey;
  /** Header fields that signatures cover where a request has them. @default those of every contract */
  readonly signedFields?: readonly string[] | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly fetch: typeof globalThis.fetch;
}

export type SendAttempt = (request: SendableRequest, options: AttemptOptions) => Promise<Outcome>;

const NONCE_BYTES = 16;

/** New ones, of which no other isolate has any: chance is drawn once an isolate, and counted on from. */
const nonces = (): (() => string) => {
  let prefix: string | undefined;
  let count = 0;
  return () => {
    // Not before a request comes: an isolate that is being made has no chance yet.
    prefix ??= toBase64Url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
    count += 1;
    return `${prefix}${count.toString(36)}`;
  };
};

/**
 * The origin is told of a little less time than there is, so that a request that takes too long is answered by its own
 * 504: a slow answer is no sign of an origin that is away.
 */
const MARGIN_MS = 100;
const MARGIN_SHARE = 0.1;

/**
 * How a gateway says that what is behind it is away: 502, 503 and 504, and in Cloudflare's place of an answer that it
 * could not get 520 to 526 and 530
 * (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/).
 */
const isAwayStatus = (status: number): boolean =>
  (status >= 502 && status <= 504) || (status >= 520 && status <= 526) || status === 530;
/**
 * What is read whole before it is passed on, so that another origin can be asked where it breaks off, bytes. A larger answer
 * would have to be held for too long; a smaller one comes in one piece with its head, and reading it costs as much as
 * forwarding it.
 */
const MIN_READ_BYTES = 4 * 1024;
const MAX_READ_BYTES = 64 * 1024;

export const absenceOf = (outcome: Outcome): UnreachableReason | undefined => {
  if (outcome.kind === "broken") return "broken";
  if (outcome.kind === "disbelieved") return "gateway";
  return outcome.kind === "foreign" && outcome.isAway ? "gateway" : undefined;
};

/** What nobody reads would hold its connection. */
export const discard = (response: Response): void => void response.body?.cancel().catch(() => undefined);

/** Whole seconds, as our origin writes them (RFC 9110 §10.2.3). */
const retryAfterMs = (response: Response): number => {
  const seconds = Number(response.headers.get("retry-after") ?? 0);
  return seconds > 0 ? seconds * 1_000 : 0;
};

const isToBeRead = ({ headers }: Response): boolean => {
  const length = Number(headers.get("content-length") ?? 0);
  return length >= MIN_READ_BYTES && length <= MAX_READ_BYTES && !headers.has("content-encoding");
};

const withoutProof = (response: Response): Response => {
  if (!NOT_EXECUTED_FIELDS.some((name) => response.headers.has(name))) return response;
  const headers = new Headers(response.headers);
  for (const name of NOT_EXECUTED_FIELDS) headers.delete(name);
  return new Response(response.body, { status: response.status, headers });
};

export const createSendAttempt = ({ key, now, fetch, signedFields }: SendSurroundings): SendAttempt => {
  const nextNonce = nonces();

  /** All header fields as they are sent. */
  const sealed = (
    request: SendableRequest,
    { address, number, spanId }: AttemptOptions,
    digest: string | undefined,
  ): Record<string, string> & { readonly signature: string } => {
    const nowMs = now();
    const leftMs = Math.max(0, request.deadlineAtMs - nowMs);
    const headers: Record<string, string> = {
      ...request.headers,
      [internalHeaders.requestId]: request.requestId,
      [internalHeaders.context]: writeEdgeContext({
        client: request.clientAddress,
        identity: request.verdict,
        timeoutMs: Math.floor(leftMs - Math.min(MARGIN_MS, leftMs * MARGIN_SHARE)),
        attempt: number,
        parentSpanId: spanId,
      }),
    };
    if (spanId !== undefined) headers["traceparent"] = writeTraceparent(traceIdOf(request.requestId), spanId);
    if (digest !== undefined) headers["content-digest"] = digest;
    const { method, path, query } = request;
    const target = { method, path, query, authority: address.authority };
    return Object.assign(headers, signRequest(key, target, headers, nowMs, nextNonce(), signedFields));
  };

  const judged = (
    response: Response,
    request: SendableRequest,
    signature: string,
    sentMs: number,
  ): Outcome => {
    const { status, headers } = response;
    if (headers.get(internalHeaders.requestId) !== request.requestId) {
      discard(response);
      return { kind: "foreign", isAway: isAwayStatus(status) };
    }
    if (status !== 503 && status !== 401) return { kind: "answered", response };
    // An older one may be that of a request that was taken since.
    const isProven =
      now() - sentMs < LIFETIME_S * 1_000 &&
      isNotExecuted(key, signature, status, (name) => headers.get(name));
    if (status === 503) {
      return {
        kind: "refused",
        response: withoutProof(response),
        retryAfterMs: retryAfterMs(response),
        isNotExecuted: isProven,
      };
    }
    if (!isProven) return { kind: "answered", response: withoutProof(response) };
    discard(response);
    return { kind: "disbelieved" };
  };

  return async (request, options) => {
    const { address, controller } = options;
    const { signal } = controller;
    try {
      const { body } = request;
      const headers = sealed(request, options, body && (await contentDigest(body)));
      const sentMs = now();
      const response = await fetch(`${address.url}${request.path}${request.query}`, {
        method: request.method,
        headers,
        signal,
        redirect: "manual",
        ...(body === undefined ? {} : { body }),
      });
      const outcome = judged(response, request, headers.signature, sentMs);
      if (outcome.kind !== "answered" || response.body === null) return outcome;
      // It is passed on as it comes, as long as there is time.
      if (!isToBeRead(response)) return outcome;
      const whole = await response.arrayBuffer();
      const { status, headers: answered } = response;
      return { kind: "answered", response: new Response(whole, { status, headers: answered }) };
    } catch {
      return { kind: signal.aborted ? "aborted" : "broken" };
    }
  };
};
