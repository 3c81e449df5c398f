/** Sends a signed request to an origin, within its deadline, and tells answers from failures. */
import { tierHeaders } from "../contract/tier-headers.ts";
import { toBase64Url } from "../core/encoding.ts";
import { type Verdict, writeVerdict } from "../core/security/verdict.ts";
import { contentDigest } from "../core/signature/content-digest.ts";
import { signRequest } from "../core/signature/sign.ts";
import type { SigningKey } from "../core/signature/signing-keys.ts";
import type { OriginAddress } from "./configuration.ts";

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
  | { readonly kind: "unreachable" }
  /** Something answered that is not our origin: a proxy's own page, say. */
  | { readonly kind: "foreign" }
  | { readonly kind: "timed_out" };

export interface OriginClient {
  send(request: OriginRequest): Promise<OriginAnswer>;
}

const NONCE_BYTES = 16;

export const createOriginClient = (
  origins: readonly OriginAddress[],
  key: SigningKey,
  { now, random, fetch }: { now: () => number; random: () => number; fetch: typeof globalThis.fetch },
): OriginClient => {
  const choose = (): OriginAddress | undefined => origins[Math.floor(random() * origins.length)];

  const sealed = async (origin: OriginAddress, request: OriginRequest): Promise<Record<string, string>> => {
    const { verdict, principal } = writeVerdict(request.verdict);
    const headers: Record<string, string> = {
      ...request.headers,
      [tierHeaders.requestId]: request.requestId,
      [tierHeaders.clientAddress]: request.clientAddress,
      [tierHeaders.verdict]: verdict,
      [tierHeaders.timeoutMs]: String(Math.max(0, request.deadlineAtMs - now())),
    };
    if (principal !== undefined) headers[tierHeaders.principal] = principal;
    if (request.body !== undefined) headers["content-digest"] = await contentDigest(request.body);
    const nonce = toBase64Url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
    return {
      ...headers,
      ...signRequest(key, { ...request, authority: origin.authority }, headers, now(), nonce),
    };
  };

  return {
    send: async (request) => {
      const origin = choose();
      if (origin === undefined) return { kind: "unreachable" };
      const headers = await sealed(origin, request);
      try {
        const response = await fetch(`${origin.url}${request.path}${request.query}`, {
          method: request.method,
          headers,
          signal: request.deadline,
          redirect: "manual",
          ...(request.body === undefined ? {} : { body: request.body }),
        });
        const isOurs = response.headers.get(tierHeaders.requestId) === request.requestId;
        return isOurs ? { kind: "answered", response } : { kind: "foreign" };
      } catch {
        return { kind: request.deadline.aborted ? "timed_out" : "unreachable" };
      }
    },
  };
};
