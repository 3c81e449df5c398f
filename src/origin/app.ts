/** The origin's Hono application: the way of a request from the socket to its handler, in order. */
import { Hono } from "hono";
import { every, some } from "hono/combine";
import type { Handler, MiddlewareHandler } from "hono/types";
import type { Contract } from "../contract/contract.ts";
import { EDGE_PATH } from "../contract/internal-headers.ts";
import { problem } from "../contract/problem.ts";
import type { Route } from "../contract/route.ts";
import { context } from "../middleware/context/index.ts";
import { problemResponse } from "../middleware/problems/index.ts";
import { isCacheable } from "../middleware/response-cache/cacheable.ts";
import type { ResponseCache } from "../middleware/response-cache/index.ts";
import { mostLiteralFirst } from "../middleware/route-policy/route-table.ts";
import type { SigningKey } from "../middleware/signature/signing-keys.ts";
import type { ObserveCache } from "../telemetry/instruments.ts";
import type { PostgresPool } from "./db/postgres.ts";
import { edgeApi } from "./edge-api.ts";
import { type AnyHandler, createRead, type Handlers, type Operation } from "./handler.ts";
import { createProbes, type Readiness } from "./lifecycle/readiness.ts";
import type { OriginLog } from "./log/log.ts";
import { cachedRead } from "./middleware/cached-read.ts";
import { contextPort, type OriginEnv } from "./middleware/context.ts";
import type { Deadlines } from "./middleware/deadline.ts";
import { errorHandler } from "./middleware/error-handler.ts";
import type { LoadShedding } from "./middleware/load-shedding.ts";
import { type RequestTelemetry, requestTelemetry, serverSpan } from "./middleware/request-telemetry.ts";
import { precheck } from "./middleware/validate.ts";
import { type ClaimNonce, hasEdgeSignature, verifySignature } from "./middleware/verify-signature.ts";
import { createWrite } from "./middleware/write.ts";
import { recordReads } from "./outbox/data-access.ts";
import type { SecurityEvents } from "./outbox/security-events.ts";

/** What a process gives its application. */
export interface OriginDependencies {
  readonly routes: Contract;
  readonly handlers: Handlers<Contract>;
  readonly database: PostgresPool;
  readonly signingKeys: readonly [SigningKey, ...SigningKey[]];
  /** Hosts and ports that are this origin's own. */
  readonly authorities: readonly string[];
  readonly claimNonce: ClaimNonce;
  /** For requests without the edge's signature. @default they are rejected */
  readonly guards?: readonly MiddlewareHandler[] | undefined;
  /** Header field with the client's address, written by a gateway. @default the connection's address counts */
  readonly clientAddressHeader?: string | undefined;
  readonly readiness: Readiness;
  readonly deadlines: Deadlines;
  readonly loadShedding: Pick<LoadShedding, "run">;
  readonly cache: ResponseCache;
  readonly observeCache: ObserveCache;
  /** For cacheable routes whose contract has no freshness, seconds. */
  readonly defaultFreshS: number;
  /** Invalidates tags in the other processes of this origin. @default there are none */
  readonly invalidateElsewhere?: ((tags: readonly string[]) => Promise<void>) | undefined;
  /** @default accesses to sensitive data leave no event */
  readonly securityEvents?: SecurityEvents | undefined;
  readonly telemetry: RequestTelemetry;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const serve = (operation: Operation, dependencies: OriginDependencies): Handler<OriginEnv>[] => {
  const { route } = operation;
  const { securityEvents, now } = dependencies;
  if (route.method !== "GET") return [createWrite(operation, dependencies)];
  const read = (isCacheable(route) ? cachedRead : createRead)(operation, dependencies);
  return route.policy.sensitive === true && securityEvents !== undefined
    ? [recordReads(operation, securityEvents, now), read]
    : [read];
};

export const createOrigin = (dependencies: OriginDependencies): Hono<OriginEnv> => {
  const { routes, handlers, signingKeys, readiness, guards, telemetry, log } = dependencies;
  const signed = verifySignature(dependencies);
  const span = serverSpan(telemetry);

  const app = new Hono<OriginEnv>();
  app.onError(errorHandler(signingKeys, log));
  app.notFound((c) => problemResponse(problem("not_found"), c.get("requestId")));
  app.use(context(contextPort(dependencies.clientAddressHeader)));
  app.route("/", createProbes(readiness));
  app.use(requestTelemetry(telemetry));
  app.use(`${EDGE_PATH}/*`, signed, span);
  app.route(EDGE_PATH, edgeApi(dependencies));
  app.use(guards === undefined ? signed : some(every(hasEdgeSignature, signed), every(...guards)), span);

  // Hono takes the first route that matches, the edge's table the most literal one: they have to agree.
  for (const name of mostLiteralFirst(routes)) {
    const route: Route = routes[name];
    // Each handler's input is the output of its own route's schemas: `Handlers` pairs them by name.
    const operation = { name, route, handler: handlers[name] as AnyHandler };
    app.on(route.method, route.path, precheck(operation, dependencies), ...serve(operation, dependencies));
  }
  return app;
};
