/** Sends a signed request to an origin, within its deadline, and tells answers from failures. */
import { tierHeaders } from "../contract/tier-headers.ts";
import type { Permit } from "../core/breaker/breaker.ts";
import type { BreakerOptions } from "../core/breaker/options.ts";
import { toBase64Url } from "../core/encoding.ts";
import { type Verdict, writeVerdict } from "../core/security/verdict.ts";
import { contentDigest } from "../core/signature/content-digest.ts";
import { signRequest } from "../core/signature/sign.ts";
import type { SigningKey } from "../core/signature/signing-keys.ts";
import type { BreakerSurroundings } from "./breakers.ts";
import type { OriginAddress } from "./configuration.ts";
import { originChooser, type Unreachable } from "./origin-choice.ts";

export interface OriginRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** The client's fields that go along, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly verdict: Verdict;
  readonly requestId: string;
  readonly clientAddress: string;
  readonly deadline: AbortSignal;
  /** Epoch milliseconds. */
  readonly deadlineAtMs: number;
}

export type OriginAnswer =
  | { readonly kind: "answered"; readonly response: Response }
  /** No origin took the request. */
  | Unreachable
  /** Something answered that is not our origin: a proxy's own page, say. */
  | { readonly kind: "foreign" }
  | { readonly kind: "timed_out" };

export interface OriginClient {
  send(request: OriginRequest): Promise<OriginAnswer>;
}

const NONCE_BYTES = 16;

/**
 * The origin is told of a little less time than there is, so that a request that takes too long is answered by its own
 * 504: a slow answer is no sign of an origin that is away.
 */
const MARGIN_MS = 100;
const MARGIN_SHARE = 0.1;
/** With less time left at its beginning, an attempt that is not answered in time says nothing, milliseconds. */
const TELLING_MS = 500;

/** How a gateway says that what is behind it is away. */
const AWAY_STATUSES: readonly number[] = [502, 503, 504];

export interface OriginSurroundings extends BreakerSurroundings {
  readonly fetch: typeof globalThis.fetch;
}

/** @param breaker of each origin; see `ORIGIN_BREAKER` for what is not said */
export const createOriginClient = (
  origins: readonly OriginAddress[],
  key: SigningKey,
  surroundings: OriginSurroundings,
  breaker?: BreakerOptions,
): OriginClient => {
  const { now, fetch } = surroundings;
  const choose = originChooser(origins, surroundings, breaker);

  const sealed = async (
    { authority }: OriginAddress,
    request: OriginRequest,
    leftMs: number,
  ): Promise<Record<string, string>> => {
    const { verdict, principal } = writeVerdict(request.verdict);
    const headers: Record<string, string> = {
      ...request.headers,
      [tierHeaders.requestId]: request.requestId,
      [tierHeaders.clientAddress]: request.clientAddress,
      [tierHeaders.verdict]: verdict,
      [tierHeaders.timeoutMs]: String(Math.floor(leftMs - Math.min(MARGIN_MS, leftMs * MARGIN_SHARE))),
    };
    if (principal !== undefined) headers[tierHeaders.principal] = principal;
    if (request.body !== undefined) headers["content-digest"] = await contentDigest(request.body);
    const nonce = toBase64Url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
    return { ...headers, ...signRequest(key, { ...request, authority }, headers, now(), nonce) };
  };

  const attempt = async (
    address: OriginAddress,
    permit: Permit,
    request: OriginRequest,
  ): Promise<OriginAnswer> => {
    const leftMs = Math.max(0, request.deadlineAtMs - now());
    const headers = await sealed(address, request, leftMs);
    try {
      const response = await fetch(`${address.url}${request.path}${request.query}`, {
        method: request.method,
        headers,
        signal: request.deadline,
        redirect: "manual",
        ...(request.body === undefined ? {} : { body: request.body }),
      });
      const isOurs = response.headers.get(tierHeaders.requestId) === request.requestId;
      // Whatever our origin answers, it is there: a 503 of its own tells of what is behind it.
      if (isOurs || !AWAY_STATUSES.includes(response.status)) permit.ok();
      else permit.fail();
      if (isOurs) return { kind: "answered", response };
      // What nobody reads would hold its connection.
      response.body?.cancel().catch(() => undefined);
      return { kind: "foreign" };
    } catch {
      if (!request.deadline.aborted) {
        permit.fail();
        return { kind: "unreachable" };
      }
      if (isTimeout(request.deadline) && leftMs >= TELLING_MS) permit.fail();
      return { kind: "timed_out" };
    }
  };

  return {
    send: async (request) => {
      const choice = choose();
      if (choice.kind === "unreachable") return choice;
      const { address, permit } = choice;
      try {
        return await attempt(address, permit, request);
      } finally {
        // What has told nothing so far has nothing to tell.
        permit.ignore();
      }
    },
  };
};

/** Whether it was time that ran out; else the client has gone. */
const isTimeout = ({ reason }: AbortSignal): boolean =>
  reason instanceof DOMException && reason.name === "TimeoutError";
