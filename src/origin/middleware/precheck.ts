/** What has to hold before a route's work begins. */
import { type Problem, problem } from "../../contract/problem.ts";
import type { Route } from "../../contract/route.ts";
import { type Identity, missingScopes } from "../../middleware/auth/principal.ts";
import type { OriginDependencies } from "../app.ts";
import type { Operation } from "../handler.ts";
import type { OriginMiddleware } from "./context.ts";
import { notExecuted, ProblemError } from "./error-handler.ts";

/** The guards have checked the scopes already; protected data does not depend on them alone. */
const authorize = ({ policy }: Route, identity: Identity): Problem | undefined => {
  if (policy.auth === "public") return undefined;
  if (identity.auth === "none") return problem("unauthenticated");
  return missingScopes(policy.auth, identity.principal).length > 0 ? problem("forbidden") : undefined;
};

/** Rejects requests that come before the migrations, without time left, or without the route's scopes. */
export const precheck =
  ({ name, route }: Operation, { readiness, now }: OriginDependencies): OriginMiddleware =>
  (c, next) => {
    c.set("operation", name);
    if (!readiness.isMigrated) throw new ProblemError(notExecuted());
    if (c.get("deadlineAtMs") <= now()) throw new ProblemError(problem("deadline_exceeded"));
    const rejection = authorize(route, c.get("identity"));
    if (rejection !== undefined) throw new ProblemError(rejection);
    return next();
  };
