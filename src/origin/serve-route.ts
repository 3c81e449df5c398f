/** Serves one route of the contract: authorise, read, validate, handle, answer. */
import type { Context } from "hono";
import { isProblem, type Problem, problem } from "../contract/problem.ts";
import { maxBodyBytes, type Route } from "../contract/route.ts";
import { tierHeaders } from "../contract/tier-headers.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { readBody } from "../core/http/read-body.ts";
import { securityHeaders } from "../core/http/security-headers.ts";
import { missingScopes, type Principal } from "../core/security/principal.ts";
import { contentDigest } from "../core/signature/content-digest.ts";
import { cacheControl } from "./cache-control.ts";
import type { Services } from "./handler.ts";
import { readInput } from "./read-input.ts";
import type { OriginEnvironment } from "./verify-edge.ts";

/** An answer of any route's handler. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A handler whose route is no longer known to the compiler. */
export type AnyHandler = (
  input: HandlerInput,
  services: Services,
) => Promise<Answer | Problem> | Answer | Problem;

interface HandlerInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly headers: unknown;
  readonly body: unknown;
  readonly principal: Principal | undefined;
}

type OriginContext = Context<OriginEnvironment>;

/** The edge has checked the scopes; what the contract protects is not served on its word alone. */
const authorise = (route: Route, principal: Principal | undefined): Problem | undefined => {
  if (route.policy.auth === "public") return undefined;
  if (principal === undefined) return problem("unauthenticated");
  return missingScopes(route.policy.auth, principal).length > 0 ? problem("forbidden") : undefined;
};

/** The body that was signed, or the refusal of one that was not. */
const signedBody = async (c: OriginContext, route: Route): Promise<Uint8Array | Problem> => {
  const reader =
    c.req.method === "GET" || c.req.method === "HEAD" ? null : (c.req.raw.body?.getReader() ?? null);
  const reading = await readBody(reader, maxBodyBytes(route), AbortSignal.timeout(c.get("timeoutMs")));
  switch (reading.kind) {
    case "too_large":
      return problem("content_too_large");
    case "timed_out":
      return problem("request_timeout");
    case "broken":
      return problem("invalid_request");
    case "read": {
      const { bytes } = reading;
      const digest = bytes.byteLength === 0 ? undefined : await contentDigest(bytes);
      const isSigned = c.req.header("content-digest") === digest;
      return isSigned ? bytes : problem("unsigned");
    }
  }
};

const respond = (route: Route, answer: Answer, requestId: string): Response => {
  const headers: Record<string, string> = {
    ...securityHeaders,
    "cache-control": cacheControl(route.policy),
    [tierHeaders.requestId]: requestId,
    ...answer.headers,
  };
  if (answer.body === undefined && answer.text === undefined) {
    return new Response(null, { status: answer.status, headers });
  }
  headers["content-type"] ??= answer.text === undefined ? "application/json" : "text/plain; charset=utf-8";
  return new Response(answer.text ?? JSON.stringify(answer.body), { status: answer.status, headers });
};

export const serveRoute =
  (route: Route, handler: AnyHandler, services: Services) =>
  async (c: OriginContext): Promise<Response> => {
    const requestId = c.get("requestId");
    const verdict = c.get("verdict");
    const principal =
      verdict.auth === "none" || route.policy.auth === "public" ? undefined : verdict.principal;
    const refused = authorise(route, principal);
    if (refused !== undefined) return problemResponse(refused, requestId);
    const body = await signedBody(c, route);
    if (!(body instanceof Uint8Array)) return problemResponse(body, requestId);
    const input = readInput(route, {
      params: c.req.param(),
      query: new URL(c.req.url).searchParams,
      header: (name) => c.req.header(name),
      body,
    });
    if ("code" in input) return problemResponse(input, requestId);
    const answer = await handler({ ...input, principal }, services);
    return isProblem(answer) ? problemResponse(answer, requestId) : respond(route, answer, requestId);
  };
