/** The end of the way: the request goes to an origin, its answer comes back as the origin made it. */

import type { EdgeRoute } from "../contract/edge-manifest.ts";
import { type Problem, problem } from "../contract/problem.ts";
import { routed } from "../middleware/exchange.ts";
import { retryModeOf } from "../resilience/hedging.ts";
import type { EdgeExchange } from "./edge-exchange.ts";
import type { OriginClient } from "./origin-client.ts";
import type { OriginAnswer } from "./origin-request.ts";

export interface ForwardOptions {
  /** Fields of the client's that do not go along, in lower case. */
  readonly without?: readonly string[];
  /** What the edge itself asks of the origin's cache (RFC 9111 §5.2.1). */
  readonly cacheControl?: string | undefined;
}

export type Forward = (exchange: EdgeExchange, options?: ForwardOptions) => Promise<Response | Problem>;

/** Fields of a client that any route may get; a route's own are those that its contract names. */
const ALWAYS_FORWARDED = ["accept", "accept-language", "content-type", "user-agent"];

/** Only what is listed goes along: a client's fields between the tiers never do. */
const forwardedHeaders = (
  headers: Headers,
  route: EdgeRoute,
  { without = [], cacheControl }: ForwardOptions,
): Record<string, string> => {
  const forwarded: Record<string, string> = {};
  for (const name of [...ALWAYS_FORWARDED, ...route.fields]) {
    const value = without.includes(name) ? null : headers.get(name);
    if (value !== null) forwarded[name] = value;
  }
  if (cacheControl !== undefined) forwarded["cache-control"] = cacheControl;
  return forwarded;
};

const unreachable = (retryAfterS: number): Problem =>
  problem("unavailable", {
    detail: "No origin can be reached.",
    headers: { "retry-after": String(retryAfterS) },
  });

const refusalOf = (answer: Exclude<OriginAnswer, { kind: "answered" }>): Problem => {
  switch (answer.kind) {
    case "unreachable":
      return unreachable(answer.retryAfterS ?? 1);
    case "foreign":
      return problem("bad_gateway");
    case "timed_out":
      return problem("deadline_exceeded");
  }
};

/** What is not ASCII has no one form on the wire, and would not survive being signed (RFC 9110 §5.5). */
export const isSendable = (value: string): boolean => /^[\t\x20-\x7e]*$/.test(value);

const unsendable = (headers: Readonly<Record<string, string>>, route: EdgeRoute): Problem | undefined => {
  const errors = route.fields
    .filter((name) => !isSendable(headers[name] ?? ""))
    .map((field) => ({ in: "header" as const, field, detail: "Must be ASCII" }));
  return errors.length === 0 ? undefined : problem("invalid_request", { errors });
};

export const createForward =
  (client: OriginClient): Forward =>
  async (exchange, options = {}) => {
    const { entry, deadlineAtMs } = routed(exchange);
    const headers = forwardedHeaders(exchange.request.headers, entry.route, options);
    const refused = unsendable(headers, entry.route);
    if (refused !== undefined) return refused;
    const { method } = exchange.request;
    const { name, route } = entry;
    const answer = await client.send({
      route: name,
      repetition: retryModeOf(method, route.policy.retry, "idempotency-key" in headers),
      trail: exchange.attempts,
      trace: exchange.trace,
      inBackground: exchange.inBackground,
      method,
      path: exchange.path,
      query: exchange.query,
      headers,
      verdict: exchange.verdict,
      requestId: exchange.requestId,
      clientAddress: exchange.client.name,
      deadlineAtMs,
      ...(exchange.body === undefined ? {} : { body: exchange.body }),
    });
    return answer.kind === "answered" ? answer.response : refusalOf(answer);
  };
