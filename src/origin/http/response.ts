/** From a handler's answer to the response. */
import { internalHeaders } from "../../contract/internal-headers.ts";
import type { Policy } from "../../contract/policy.ts";
import { isProblem, type Problem } from "../../contract/problem.ts";
import type { Route } from "../../contract/route.ts";
import { problemResponse } from "../../middleware/problems/problem-response.ts";
import { securityHeaders } from "../../middleware/problems/security-headers.ts";
import type { OriginContext } from "../middleware/context.ts";

/** An answer of any route's handler. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** A body that is JSON already. */
  readonly json?: string;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Respond = (c: OriginContext, answer: Answer | Problem) => Response;

/**
 * The Cache-Control field of a route's cache policy (RFC 9111 §5.2.2, RFC 5861).
 *
 * @param defaultFreshS if the policy has no freshness, seconds
 */
export const cacheControl = ({ auth, cache }: Policy, defaultFreshS: number): string => {
  if (cache === undefined) return "no-store";
  const { freshS = defaultFreshS, staleWhileRevalidateS, staleIfErrorS } = cache;
  return [
    // One principal's response is never stored for another (§3.5).
    auth === "public" ? "public" : "private",
    `max-age=${freshS}`,
    ...(staleWhileRevalidateS === undefined ? [] : [`stale-while-revalidate=${staleWhileRevalidateS}`]),
    ...(staleIfErrorS === undefined ? [] : [`stale-if-error=${staleIfErrorS}`]),
  ].join(", ");
};

const contentOf = ({ body, json, text }: Answer): { content: string; type: string } | undefined => {
  if (text !== undefined) return { content: text, type: "text/plain; charset=utf-8" };
  if (json !== undefined) return { content: json, type: "application/json" };
  return body === undefined ? undefined : { content: JSON.stringify(body), type: "application/json" };
};

/** @param defaultFreshS for a cacheable route whose contract has no freshness, seconds */
export const responder = (
  { policy }: Route,
  { defaultFreshS }: { readonly defaultFreshS: number },
): Respond => {
  const constant = { ...securityHeaders, "cache-control": cacheControl(policy, defaultFreshS) };
  return (c, answer) => {
    const requestId = c.get("requestId");
    if (isProblem(answer)) return problemResponse(answer, requestId);
    const written = contentOf(answer);
    const headers = {
      ...constant,
      [internalHeaders.requestId]: requestId,
      ...(written === undefined ? {} : { "content-type": written.type }),
      ...answer.headers,
    };
    return new Response(written?.content ?? null, { status: answer.status, headers });
  };
};
