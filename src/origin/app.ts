/** The origin as a Hono application: probes, what the edge asks for itself, then the contract's routes. */
import { Hono } from "hono";
import type { Contract } from "../contract/contract.ts";
import { edgeRoutes } from "../contract/edge-route.ts";
import { problem } from "../contract/problem.ts";
import type { Route } from "../contract/route.ts";
import { EDGE_PATH, tierHeaders } from "../contract/tier-headers.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { mostLiteralFirst } from "../core/routing/table.ts";
import { writeKeyRecord } from "../core/security/published-keys.ts";
import { blocklistServer } from "./blocklist/serve-blocklist.ts";
import { type Database, timedScope } from "./data/database.ts";
import { problemOfFailure, unavailable } from "./failure-problem.ts";
import type { Handlers } from "./handler.ts";
import { findKey } from "./keys/key-store.ts";
import { createProbes } from "./lifecycle/probes.ts";
import type { AnyHandler, OriginContext, OriginEnvironment, RouteDependencies } from "./route-operation.ts";
import { serveEvents } from "./security-events/serve-events.ts";
import { serveRoute } from "./serve-route.ts";
import { unsigned } from "./unsigned.ts";
import {
  type ArrivedRequest,
  type ClaimNonce,
  type EdgeRequest,
  isUnsigned,
  type Unsigned,
  verifyEdge,
} from "./verify-edge.ts";

export interface OriginDependencies extends Omit<RouteDependencies, "verify"> {
  readonly routes: Contract;
  readonly handlers: Handlers<Contract>;
  /** Hosts and ports that are this origin's own. */
  readonly authorities: readonly string[];
  readonly claimNonce: ClaimNonce;
}

const asArrived = (c: OriginContext): ArrivedRequest => ({
  method: c.req.method,
  url: c.req.url,
  field: (name) => c.req.header(name),
});

export const createOrigin = (dependencies: OriginDependencies): Hono<OriginEnvironment> => {
  const { routes, handlers, database, signingKeys, authorities, readiness, log } = dependencies;
  const declaredFields = Object.values(edgeRoutes(routes)).flatMap(({ fields }) => fields);
  const verify = verifyEdge(signingKeys, authorities, { ...dependencies, declaredFields });
  const app = new Hono<OriginEnvironment>();
  app.route("/", createProbes(readiness));

  /** For what is no route of the contract; nothing is told to anybody but the edge. */
  const verified = (c: OriginContext): EdgeRequest | Unsigned => verify(asArrived(c));

  /** What the edge itself asks for: nobody else may know it. */
  const forEdge =
    (name: string, serve: (c: OriginContext, database: Database, requestId: string) => Promise<Response>) =>
    async (c: OriginContext): Promise<Response> => {
      const edge = verified(c);
      if (isUnsigned(edge)) return await unsigned(edge, signingKeys, asArrived(c));
      const { requestId, timeoutMs } = edge;
      if (!readiness.isMigrated) return problemResponse(unavailable, requestId);
      try {
        return await serve(c, database.within(timedScope(name, timeoutMs, true)), requestId);
      } catch (error) {
        return problemResponse(problemOfFailure(error, { requestId }, log), requestId);
      }
    };

  app.get(
    `${EDGE_PATH}/keys/:id`,
    forEdge("edge_key", async (c, from, requestId) => {
      const record = await findKey(from, c.req.param("id") ?? "");
      if (record === undefined) return problemResponse(problem("not_found"), requestId);
      return c.body(writeKeyRecord(record), 200, { [tierHeaders.requestId]: requestId });
    }),
  );

  const serveBlocklist = blocklistServer();
  app.get(
    `${EDGE_PATH}/blocklist`,
    forEdge("edge_blocklist", (c, from, requestId) =>
      serveBlocklist(from, c.req.query("version"), requestId),
    ),
  );

  if (dependencies.securityEvents !== undefined) {
    const serve = serveEvents(dependencies.securityEvents, dependencies);
    app.post(`${EDGE_PATH}/events`, async (c) => {
      const edge = verified(c);
      return isUnsigned(edge) ? await unsigned(edge, signingKeys, asArrived(c)) : await serve(c, edge);
    });
  }

  // Hono takes the first route that fits, the edge's table the most literal one: they have to agree.
  for (const name of mostLiteralFirst(routes)) {
    const route: Route = routes[name];
    // Each handler's input is the output of its own route's schemas: `Handlers` pairs them by name.
    const operation = { name, route, handler: handlers[name] as AnyHandler };
    const serve = serveRoute(operation, { ...dependencies, verify });
    app.on(route.method, route.path, serve);
  }

  app.notFound((c) => {
    const edge = verified(c);
    if (isUnsigned(edge)) return unsigned(edge, signingKeys, asArrived(c));
    return problemResponse(problem("not_found"), edge.requestId);
  });
  app.onError((error) => {
    const requestId = crypto.randomUUID();
    return problemResponse(problemOfFailure(error, { requestId }, log), requestId);
  });
  return app;
};
