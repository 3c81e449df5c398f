/** The compiler checks the order of middleware. */
import { createMiddleware } from "hono/factory";
import { expect, test } from "vitest";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../src/contract/route.ts";
import { type AuthVariables, auth } from "../../src/middleware/auth/index.ts";
import { UNAVAILABLE } from "../../src/middleware/auth/principal.ts";
import { bodyLimit } from "../../src/middleware/body-limit/index.ts";
import type { ContextVariables } from "../../src/middleware/context/index.ts";
import { type Middleware, Pipeline } from "../../src/middleware/pipeline.ts";
import { rateLimit } from "../../src/middleware/rate-limit/index.ts";
import { type RouteVariables, routePolicy } from "../../src/middleware/route-policy/index.ts";
import { compileRoutes } from "../../src/middleware/route-policy/route-table.ts";
import { screening } from "../../src/middleware/screening/index.ts";
import { appOf } from "./support/app.ts";

const route = defineRoute({
  method: "GET",
  path: "/",
  summary: "Any route",
  tag: "Test",
  responses: { 200: { description: "Done" } },
  policy: { auth: "public" },
});
const routes = compileRoutes(edgeRoutes({ route }));
const ignore = (): undefined => undefined;
const now = (): number => 0;

const screeningGuard = screening({ routes, report: ignore });
const routeGuard = routePolicy({ routes, now });
const authGuard = auth({ check: () => UNAVAILABLE, tokens: undefined, report: ignore });
const limitGuard = rateLimit({
  limiter: { check: () => ({ isAdmitted: true, results: [] }) },
  enforcement: "enforce",
  report: ignore,
  observe: ignore,
  log: ignore,
  now,
});
const bodyGuard = bodyLimit({ now });

const start = new Pipeline<ContextVariables>();

test("a pipeline takes middleware after all that set its variables, and runs it in that order", async () => {
  const seen: unknown[] = [];
  interface CountryVariables {
    country: string;
  }
  const locate: Middleware<ContextVariables, CountryVariables> = createMiddleware<{
    Variables: ContextVariables & CountryVariables;
  }>(function locate(c, next) {
    c.set("country", c.get("client").name === "192.0.2.1" ? "NZ" : "unknown");
    return next();
  });
  const observe: Middleware<CountryVariables & AuthVariables> = createMiddleware<{
    Variables: CountryVariables & AuthVariables;
  }>(function observe(c, next) {
    seen.push(c.get("country"), c.get("identity").auth);
    return next();
  });
  const pipeline = start
    .use(locate)
    .use(screeningGuard)
    .use(routeGuard)
    .use(authGuard)
    .use(observe)
    .use(limitGuard)
    .use(bodyGuard);
  const names = ["locate", "screening", "routePolicy", "auth", "observe", "rateLimit", "bodyLimit"];
  expect(pipeline.handlers.map(({ name }) => name)).toEqual(names);
  expect((await appOf(pipeline.handlers)()).passed).toBe(true);
  expect(seen).toEqual(["NZ", "none"]);
});

test("a pipeline is unchanged when middleware is added to it", () => {
  const screened = start.use(screeningGuard);
  screened.use(routeGuard);
  expect(start.handlers).toEqual([]);
  expect(screened.handlers).toHaveLength(1);
});

// These pass if `tsc -b` does.
test("middleware before another that sets its variables does not compile", () => {
  const empty = new Pipeline();
  const screened = start.use(screeningGuard);
  const routed = screened.use(routeGuard);
  // @ts-expect-error it needs the client and the target
  empty.use(screeningGuard);
  // @ts-expect-error the policy is the match's: `match` is not set yet
  start.use(routeGuard);
  // @ts-expect-error the scopes are the route's: `route` is not set yet
  screened.use(authGuard);
  // @ts-expect-error the maximum is the route's: `route` is not set yet
  screened.use(bodyGuard);
  // @ts-expect-error it counts by principal: `identity` is not set yet
  routed.use(limitGuard);
});

test("middleware that needs a variable of another type does not compile", () => {
  const needsText: Middleware<{ deadlineAtMs: string }> = (_, next) => next();
  const routed = new Pipeline<RouteVariables>();
  // @ts-expect-error the deadline is a number
  routed.use(needsText);
});
