/** The origin as a Hono application: probes, then the edge's signature, then the contract's routes. */
import { Hono } from "hono";
import type { Contract } from "../contract/contract.ts";
import { problem } from "../contract/problem.ts";
import type { Route } from "../contract/route.ts";
import { EDGE_PATH, tierHeaders } from "../contract/tier-headers.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { mostLiteralFirst } from "../core/routing/table.ts";
import { writeKeyRecord } from "../core/security/published-keys.ts";
import type { SigningKey } from "../core/signature/signing-keys.ts";
import { isUnavailable } from "./data/unavailable.ts";
import type { Handlers, Services } from "./handler.ts";
import { findKey } from "./keys/key-store.ts";
import type { OriginLog } from "./log.ts";
import { createProbes } from "./probes.ts";
import type { Readiness } from "./readiness.ts";
import { type AnyHandler, serveRoute } from "./serve-route.ts";
import { type ClaimNonce, type OriginEnvironment, verifyEdge } from "./verify-edge.ts";

export interface OriginDependencies {
  readonly routes: Contract;
  readonly handlers: Handlers<Contract>;
  readonly services: Services;
  readonly signingKeys: readonly SigningKey[];
  /** Hosts and ports that are this origin's own. */
  readonly authorities: readonly string[];
  readonly readiness: Readiness;
  readonly log: OriginLog;
  readonly claimNonce: ClaimNonce;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const RETRY_AFTER_S = 1;

export const createOrigin = (dependencies: OriginDependencies): Hono<OriginEnvironment> => {
  const { routes, handlers, services, signingKeys, authorities, readiness, log } = dependencies;
  const app = new Hono<OriginEnvironment>();

  app.route("/", createProbes(readiness));
  app.use(verifyEdge(signingKeys, authorities, dependencies));

  app.use(async (c, next) => {
    if (readiness.isMigrated) return await next();
    const headers = { "retry-after": String(RETRY_AFTER_S) };
    return problemResponse(problem("unavailable", { headers }), c.get("requestId"));
  });

  app.get(`${EDGE_PATH}/keys/:id`, async (c) => {
    const requestId = c.get("requestId");
    const record = await findKey(services.database, c.req.param("id"));
    if (record === undefined) return problemResponse(problem("not_found"), requestId);
    return c.body(writeKeyRecord(record), 200, { [tierHeaders.requestId]: requestId });
  });

  // Hono takes the first route that fits, the edge's table the most literal one: they have to agree.
  for (const name of mostLiteralFirst(routes)) {
    const route: Route = routes[name];
    // Each handler's input is the output of its own route's schemas: `Handlers` pairs them by name.
    app.on(route.method, route.path, serveRoute(route, handlers[name] as AnyHandler, services));
  }

  app.notFound((c) => problemResponse(problem("not_found"), c.get("requestId") ?? crypto.randomUUID()));
  app.onError((error, c) => {
    const requestId = c.get("requestId") ?? crypto.randomUUID();
    if (isUnavailable(error)) {
      log.warn({ requestId, err: error }, "a dependency is away");
      const headers = { "retry-after": String(RETRY_AFTER_S) };
      return problemResponse(problem("unavailable", { headers }), requestId);
    }
    log.error({ requestId, err: error }, "unhandled");
    return problemResponse(problem("internal"), requestId);
  });
  return app;
};
