/** The origin as a Hono application: probes, what the edge asks for itself, then the contract's routes. */
import { Hono } from "hono";
import type { Contract } from "../contract/contract.ts";
import { edgeRoutes } from "../contract/edge-manifest.ts";
import { problem } from "../contract/problem.ts";
import type { Route } from "../contract/route.ts";
import { knownMethod } from "../lib/method.ts";
import { problemResponse } from "../middleware/problems/problem-response.ts";
import { mostLiteralFirst } from "../middleware/route-policy/route-table.ts";
import { type Admit, admitEither, admitSigned } from "./admit.ts";
import { createEdgePaths } from "./edge-paths.ts";
import { problemOfFailure } from "./failure-problem.ts";
import type { Handlers } from "./handler.ts";
import { createProbes } from "./lifecycle/probes.ts";
import type { AnyHandler, OriginContext, OriginEnvironment, RouteDependencies } from "./route-operation.ts";
import { serveAdmitted } from "./serve-admitted.ts";
import { serveRoute } from "./serve-route.ts";
import type { ToldRoute } from "./telemetry/request-telemetry.ts";
import { type ClaimNonce, verifyEdge } from "./verify-edge.ts";

export interface OriginDependencies extends Omit<RouteDependencies, "admit"> {
  readonly routes: Contract;
  readonly handlers: Handlers<Contract>;
  /** Hosts and ports that are this origin's own. */
  readonly authorities: readonly string[];
  readonly claimNonce: ClaimNonce;
  /** Lets through what is not signed. @default nothing does */
  readonly guards?: Admit | undefined;
}

export const createOrigin = (dependencies: OriginDependencies): Hono<OriginEnvironment> => {
  const { routes, handlers, signingKeys, authorities, readiness, guards, telemetry, log } = dependencies;
  const declaredFields = Object.values(edgeRoutes(routes)).flatMap(({ fields }) => fields);
  const verify = verifyEdge(signingKeys, authorities, { ...dependencies, declaredFields });
  const signed = admitSigned(verify, signingKeys);
  const admit = guards === undefined ? signed : admitEither(signed, guards);
  const app = new Hono<OriginEnvironment>();
  app.route("/", createProbes(readiness));
  app.route("/", createEdgePaths(signed, dependencies));

  // Hono takes the first route that fits, the edge's table the most literal one: they have to agree.
  for (const name of mostLiteralFirst(routes)) {
    const route: Route = routes[name];
    // Each handler's input is the output of its own route's schemas: `Handlers` pairs them by name.
    const operation = { name, route, handler: handlers[name] as AnyHandler };
    app.on(route.method, route.path, serveRoute(operation, { ...dependencies, admit }));
  }

  const unknown = (c: OriginContext): ToldRoute => ({ method: knownMethod(c.req.method), path: "" });
  app.notFound(
    serveAdmitted(unknown, admit, telemetry, (_, { requestId }) =>
      problemResponse(problem("not_found"), requestId),
    ),
  );
  app.onError((error) => {
    const requestId = crypto.randomUUID();
    return problemResponse(problemOfFailure(error, { requestId }, log), requestId);
  });
  return app;
};
