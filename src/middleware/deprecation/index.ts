/** The header fields of deprecated routes (RFC 9745, RFC 8594), and a report of who still calls them. */
import { createMiddleware } from "hono/factory";
import type { AuthVariables } from "../auth/index.ts";
import { principalOf } from "../auth/principal.ts";
import type { ContextVariables } from "../context/index.ts";
import type { Middleware } from "../pipeline.ts";
import { setHeaders } from "../problems/index.ts";
import type { RouteVariables } from "../route-policy/index.ts";

export interface DeprecatedCall {
  readonly type: "deprecated_call";
  readonly method: string;
  /** The route's. */
  readonly path: string;
  /** Undefined for an anonymous client. */
  readonly principal: string | undefined;
}

type Needs = ContextVariables & RouteVariables & AuthVariables;

/** Stands behind authentication, which knows the caller, and before the limits, whose rejections get the fields too. */
export const deprecation = ({
  observe,
}: {
  readonly observe: (event: DeprecatedCall) => void;
}): Middleware<Needs> =>
  createMiddleware<{ Variables: Needs }>(function deprecation(c, next) {
    const { method, path, deprecationFields: fields } = c.get("route").route;
    if (fields === undefined) return next();
    observe({ type: "deprecated_call", method, path, principal: principalOf(c.get("identity"))?.id });
    return next().then(() => setHeaders(c, fields));
  });
