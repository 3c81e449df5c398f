/** From a handler's answer to the response. */
import { internalHeaders } from "../../contract/internal-headers.ts";
import type { Policy } from "../../contract/policy.ts";
import { isProblem, type Problem } from "../../contract/problem.ts";
import type { Route } from "../../contract/route.ts";
import { problemResponse, securityHeaders } from "../../middleware/problems/problem-response.ts";
import type { TextResponse } from "../../middleware/response-cache/entry.ts";
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

/** @returns the response without what is of one request */
export type Finish = (answer: Answer) => TextResponse;

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

interface ResponseOptions {
  /** For a cacheable route whose contract has no freshness, seconds. */
  readonly defaultFreshS: number;
}

export const finisher = ({ policy }: Route, { defaultFreshS }: ResponseOptions): Finish => {
  const constant = { ...securityHeaders, "cache-control": cacheControl(policy, defaultFreshS) };
  return (answer) => {
    const written = contentOf(answer);
    const type = written === undefined ? undefined : { "content-type": written.type };
    const headers = { ...constant, ...type, ...answer.headers };
    return { status: answer.status, headers, body: written?.content ?? null };
  };
};

export const responder = (route: Route, options: ResponseOptions): Respond => {
  const finish = finisher(route, options);
  return (c, answer) => {
    const requestId = c.get("requestId");
    if (isProblem(answer)) return problemResponse(answer, requestId);
    const { status, headers, body } = finish(answer);
    return new Response(body, { status, headers: { ...headers, [internalHeaders.requestId]: requestId } });
  };
};
