/**
 * Whether a client of a blocked address has valid credentials. Several clients share an address, such as those of an
 * office, and one of them must not block the others. What the check costs is bounded per address (auth/failed-checks.ts).
 */
import { bearerToken } from "../auth/index.ts";
import {
  type AuthContext,
  type AuthResult,
  type CheckCredentials,
  provenPrincipal,
} from "../auth/principal.ts";
import type { ContextVariables, VariableReader } from "../context/index.ts";

/** Longest wait for a lookup. */
const CHECK_MS = 1_000;

/** The middleware's context, before it has a route. */
export interface BlockedContext extends VariableReader<ContextVariables> {
  readonly req: { header(name: string): string | undefined };
}

export interface AuthenticatedDeps {
  readonly check: CheckCredentials;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const isProven = (result: AuthResult): boolean => provenPrincipal(result) !== undefined;

/** Synchronous if the credentials were checked lately, or may not be checked. */
export const isAuthenticated = (
  c: BlockedContext,
  { check, now }: AuthenticatedDeps,
): boolean | Promise<boolean> => {
  const token = bearerToken(c.req.header("authorization") ?? null);
  if (token === undefined) return false;
  const variables = {
    requestId: c.get("requestId"),
    target: c.get("target"),
    client: c.get("client"),
    waitUntil: c.get("waitUntil"),
    deadlineAtMs: now() + CHECK_MS,
  };
  const context: AuthContext = { get: (name) => variables[name] };
  const result = check(token, context);
  return result instanceof Promise ? result.then(isProven) : isProven(result);
};
