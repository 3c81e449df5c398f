/** Forwards a request to an origin and returns its response, with header fields that can be changed. */
import type { Context } from "hono";
import type { EdgeRoute } from "../../contract/edge-manifest.ts";
import { type Problem, problem } from "../../contract/problem.ts";
import { problemResponse } from "../../middleware/problems/index.ts";
import { retryModeOf } from "../../resilience/retries.ts";
import type { EdgeEnv } from "../env.ts";
import type { OriginClient, OriginResponse } from "./client.ts";

interface ProxyOptions {
  /** A client field that is not forwarded, in lower case. */
  readonly without?: string | undefined;
  /** The edge's own request to the origin's cache (RFC 9111 §5.2.1). */
  readonly cacheControl?: string | undefined;
}

/** Client fields forwarded for every route, unless their value cannot be; the contract adds each route's own. */
const ALWAYS_FORWARDED = ["accept", "accept-language", "content-type", "user-agent"];

/** Several such fields fit into the header of one request, so that no client's request fails at each origin. */
const MAX_FIELD_LENGTH = 1_024;

/** Non-ASCII values have no single encoding on the wire, so a signature cannot cover them (RFC 9110 §5.5). */
const isSendable = (value: string): boolean =>
  value.length <= MAX_FIELD_LENGTH && /^[\t\x20-\x7e]*$/.test(value);

/** Only listed fields are forwarded, so a client cannot send the internal ones. */
const forwardedHeaders = (
  c: Context<EdgeEnv>,
  route: EdgeRoute,
  { without, cacheControl }: ProxyOptions,
): Record<string, string> => {
  const { headers } = c.req.raw;
  const forwarded: Record<string, string> = {};
  for (const name of ALWAYS_FORWARDED) {
    const value = headers.get(name);
    if (value !== null && isSendable(value)) forwarded[name] = value;
  }
  for (const name of route.fields) {
    const value = name === without ? null : headers.get(name);
    if (value !== null) forwarded[name] = value;
  }
  if (cacheControl !== undefined) forwarded["cache-control"] = cacheControl;
  return forwarded;
};

const unsendable = (headers: Readonly<Record<string, string>>, route: EdgeRoute): Problem | undefined => {
  const errors = route.fields
    .filter((name) => !isSendable(headers[name] ?? ""))
    .map((field) => ({
      in: "header" as const,
      field,
      detail: `Must be ASCII, at most ${MAX_FIELD_LENGTH} characters`,
    }));
  return errors.length === 0 ? undefined : problem("invalid_request", { errors });
};

const failureOf = (result: Exclude<OriginResponse, { kind: "answered" }>): Problem => {
  switch (result.kind) {
    case "unreachable":
      return problem("unavailable", {
        detail: "No origin can be reached.",
        headers: { "retry-after": String(result.retryAfterS ?? 1) },
      });
    case "not_origin":
      return problem("bad_gateway");
    case "unknown":
      return problem("outcome_unknown", { detail: "The connection to the origin broke." });
    case "timed_out":
      return problem("deadline_exceeded");
  }
};

export const proxy =
  (client: OriginClient) =>
  async (c: Context<EdgeEnv>, options: ProxyOptions = {}): Promise<Response> => {
    const { name, route } = c.get("route");
    const requestId = c.get("requestId");
    const headers = forwardedHeaders(c, route, options);
    const invalid = unsendable(headers, route);
    if (invalid !== undefined) return problemResponse(invalid, requestId);
    const { method } = c.req;
    const { path, query } = c.get("target");
    const result = await client.send({
      route: name,
      retryMode: retryModeOf(method, route.policy.retry, "idempotency-key" in headers),
      attempts: c.get("attempts"),
      waitUntil: c.get("waitUntil"),
      method,
      path,
      query,
      headers,
      identity: c.get("identity"),
      requestId,
      client: c.get("client").name,
      deadlineAtMs: c.get("deadlineAtMs"),
      body: c.get("body"),
    });
    return result.kind === "answered" ? result.response : problemResponse(failureOf(result), requestId);
  };
