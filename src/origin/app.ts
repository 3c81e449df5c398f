/** The origin's Hono application: the order of a request from the socket to its handler. */
import { Hono } from "hono";
import { every, except, some } from "hono/combine";
import type { Handler, MiddlewareHandler } from "hono/types";
import type { ApiSettings } from "#api/origin/config.ts";
import type { Contract } from "../contract/contract.ts";
import { edgeRoutes } from "../contract/edge-manifest.ts";
import { EDGE_PATH } from "../contract/internal-headers.ts";
import { problem } from "../contract/problem.ts";
import type { Route } from "../contract/route.ts";
import { context } from "../middleware/context/index.ts";
import { cors } from "../middleware/cors/index.ts";
import { problemResponse } from "../middleware/problems/index.ts";
import { isCacheable } from "../middleware/response-cache/cacheable.ts";
import type { ResponseCache } from "../middleware/response-cache/index.ts";
import { compileRoutes, mostLiteralFirst } from "../middleware/route-policy/route-table.ts";
import type { SigningKey } from "../middleware/signature/signing-keys.ts";
import type { ObserveCache } from "../telemetry/instruments.ts";
import type { PostgresPool } from "./db/postgres.ts";
import { edgeApi } from "./edge-api.ts";
import { type AnyHandler, createRead, type Handlers, type Operation } from "./handler.ts";
import type { CallDependency, Caller } from "./http/client.ts";
import { createProbes, type Readiness } from "./lifecycle/readiness.ts";
import type { OriginLog } from "./log/log.ts";
import { cachedRead } from "./middleware/cached-read.ts";
import { contextPort, type OriginEnv } from "./middleware/context.ts";
import type { Deadlines } from "./middleware/deadline.ts";
import { errorHandler } from "./middleware/error-handler.ts";
import type { LoadShedding } from "./middleware/load-shedding.ts";
import { type RequestTelemetry, requestTelemetry, serverSpan } from "./middleware/request-telemetry.ts";
import { precheck } from "./middleware/validate.ts";
import { hasEdgeSignature, verifySignature } from "./middleware/verify-signature.ts";
import { createWrite } from "./middleware/write.ts";
import { recordReads } from "./outbox/data-access.ts";
import type { SecurityEvents } from "./outbox/security-events.ts";

export interface OriginDependencies {
  readonly routes: Contract;
  readonly handlers: Handlers<Contract>;
  readonly database: PostgresPool;
  readonly signingKeys: readonly [SigningKey, ...SigningKey[]];
  /** The hosts and ports by which the edge addresses this origin. */
  readonly authorities: readonly string[];
  /** Asks Redis whether the nonce is new to all pods; rejects if Redis does not answer. */
  readonly claimNonce: (nonce: string) => Promise<boolean>;
  /** For requests without the edge's signature. @default such requests are rejected */
  readonly guards?: readonly MiddlewareHandler[] | undefined;
  /** Header field with the client's address, written by a gateway. @default the connection's address */
  readonly clientAddressHeader?: string | undefined;
  readonly readiness: Readiness;
  readonly deadlines: Deadlines;
  readonly loadShedding: Pick<LoadShedding, "run">;
  readonly cache: ResponseCache;
  /** Calls of handlers to other services. */
  readonly callerFetch: (caller: Caller) => CallDependency;
  readonly settings: ApiSettings;
  readonly observeCache: ObserveCache;
  /** For cacheable routes without a freshness in the contract, seconds. */
  readonly defaultFreshS: number;
  /** Invalidates tags in the other processes of this origin. @default no other process */
  readonly invalidateElsewhere?: ((tags: readonly string[]) => Promise<void>) | undefined;
  readonly securityEvents: SecurityEvents;
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
  return route.policy.sensitive === true ? [recordReads(operation, securityEvents, now), read] : [read];
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
  // The edge sets the CORS fields of the requests that it has signed.
  if (guards !== undefined) app.use(except(hasEdgeSignature, cors(compileRoutes(edgeRoutes(routes)))));
  app.use(guards === undefined ? signed : some(every(hasEdgeSignature, signed), every(...guards)), span);

  // Hono chooses the first route that matches, the edge's table the most literal one: both have to agree.
  for (const name of mostLiteralFirst(routes)) {
    const route: Route = routes[name];
    // `Handlers` pairs each handler with its route by name: its input is the output of the route's schemas.
    const operation = { name, route, handler: handlers[name] as AnyHandler };
    app.on(route.method, route.path, precheck(operation, dependencies), ...serve(operation, dependencies));
  }
  return app;
};
