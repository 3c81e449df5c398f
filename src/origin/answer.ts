/** A handler's answer on its way to the client. */

import { internalHeaders } from "../contract/internal-headers.ts";
import type { Route } from "../contract/route.ts";
import { securityHeaders } from "../middleware/problems/security-headers.ts";
import { cacheControl } from "./cache-control.ts";

/** An answer of any route's handler. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** The body as JSON that is written already. */
  readonly json?: string;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Respond = (answer: Answer, requestId: string) => Response;

const contentOf = ({ body, json, text }: Answer): { content: string; type: string } | undefined => {
  if (text !== undefined) return { content: text, type: "text/plain; charset=utf-8" };
  if (json !== undefined) return { content: json, type: "application/json" };
  return body === undefined ? undefined : { content: JSON.stringify(body), type: "application/json" };
};

/** @param defaultFreshS for a cacheable route whose contract names no freshness, seconds */
export const responder = ({ policy }: Route, defaultFreshS: number): Respond => {
  const constant = { ...securityHeaders, "cache-control": cacheControl(policy, defaultFreshS) };
  return (answer, requestId) => {
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
