/** Serves one route of the contract, in one pass: verify, authorise, read, validate, handle, answer. */
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { isProblem, type Problem, problem } from "../contract/problem.ts";
import { maxBodyBytes, type Route } from "../contract/route.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { missingScopes, type Principal } from "../core/security/principal.ts";
import type { SigningKey } from "../core/signature/signing-keys.ts";
import type { Admission } from "./admission.ts";
import { type Answer, responder } from "./answer.ts";
import type { PostgresPool } from "./data/postgres.ts";
import { untilEnd } from "./data/until-end.ts";
import type { Deadlines } from "./deadlines.ts";
import { deadlineExceeded, problemOfFailure, unavailable } from "./failure-problem.ts";
import type { Services } from "./handler.ts";
import { fingerprint, keyOf } from "./idempotency/fingerprint.ts";
import { serveOnce } from "./idempotency/serve-once.ts";
import type { Readiness } from "./lifecycle/readiness.ts";
import type { OriginLog } from "./log.ts";
import type { ObserveRequest } from "./metrics/request-metrics.ts";
import { cursorsOf, filterOf } from "./paging/cursors.ts";
import { type ParsedInput, readInput } from "./read-input.ts";
import { RequestScope } from "./request-scope.ts";
import { type BodySource, signedBody } from "./signed-body.ts";
import { type EdgeRequest, targetOf, type VerifyEdge } from "./verify-edge.ts";

/** A handler whose route is no longer known to the compiler. */
export type AnyHandler = (
  input: ParsedInput & { readonly principal: Principal | undefined },
  services: Services,
) => Promise<Answer | Problem> | Answer | Problem;

/** Hono's environment under node-server; a test without a server has no bindings. */
export interface OriginEnvironment {
  Bindings: Partial<HttpBindings>;
}

type OriginContext = Context<OriginEnvironment>;

export interface RouteDependencies {
  readonly database: PostgresPool;
  readonly signingKeys: readonly [SigningKey, ...SigningKey[]];
  readonly verify: VerifyEdge;
  readonly readiness: Readiness;
  readonly deadlines: Deadlines;
  readonly admission: Admission;
  readonly observe: ObserveRequest;
  /** For cacheable routes whose contract names no freshness, seconds. */
  readonly defaultFreshS: number;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const KEY_FIELD = "idempotency-key";

/** The edge has checked the scopes; what the contract protects is not served on its word alone. */
const authorise = ({ policy }: Route, principal: Principal | undefined): Problem | undefined => {
  if (policy.auth === "public") return undefined;
  if (principal === undefined) return problem("unauthenticated");
  return missingScopes(policy.auth, principal).length > 0 ? problem("forbidden") : undefined;
};

const principalOf = ({ policy }: Route, { verdict }: EdgeRequest): Principal | undefined =>
  verdict.auth === "none" || policy.auth === "public" ? undefined : verdict.principal;

const bodyOf = (c: OriginContext): BodySource => ({
  incoming: c.env?.incoming,
  stream: () => c.req.raw.body,
  digest: c.req.header("content-digest"),
});

const NO_BODY = new Uint8Array(0);

/** @param name the route's operation name */
export const serveRoute = (
  name: string,
  route: Route,
  handler: AnyHandler,
  dependencies: RouteDependencies,
) => {
  const { database, signingKeys, verify, readiness, deadlines, admission, observe, log, now } = dependencies;
  const respond = responder(route, dependencies.defaultFreshS);
  const maxBytes = maxBodyBytes(route);
  const isRead = route.method === "GET";
  const takesKey = route.policy.retry === "with-key";

  const servicesFor = (scope: RequestScope, principal: Principal | undefined, query: unknown): Services => ({
    database: database.within(scope),
    cursors: cursorsOf(signingKeys, () => ({
      operation: name,
      principal: principal?.id,
      filter: filterOf(query),
    })),
    get signal() {
      return scope.signal;
    },
  });

  const handle = async (
    c: OriginContext,
    edge: EdgeRequest,
    scope: RequestScope,
  ): Promise<Answer | Problem> => {
    const principal = principalOf(route, edge);
    const refused = authorise(route, principal);
    if (refused !== undefined) return refused;
    const key = takesKey ? c.req.header(KEY_FIELD) : undefined;
    // A write with a key is done once anyway; every other one asks while its body arrives.
    const isFirst = isRead || key !== undefined ? true : edge.claim();
    const body = isRead ? NO_BODY : await signedBody(bodyOf(c), maxBytes, scope);
    if (!(body instanceof Uint8Array)) return body;
    const { path, query } = targetOf(c.req.url);
    const header = (field: string): string | undefined => c.req.header(field);
    const input = readInput(route, {
      params: c.req.param(),
      query: new URLSearchParams(query),
      header,
      body,
    });
    if ("code" in input) return input;
    if (!(await isFirst)) return problem("unsigned");
    const services = servicesFor(scope, principal, input.query);
    return await admission.run(name, route, scope, async () => {
      if (key === undefined || principal === undefined)
        return await handler({ ...input, principal }, services);
      const keyed = {
        principal: principal.id,
        key: keyOf(key),
        fingerprint: fingerprint({ method: route.method, target: path + query, body }),
      };
      return await serveOnce(services.database, keyed, async (transaction) =>
        handler({ ...input, principal }, { ...services, database: transaction }),
      );
    });
  };

  /** Within the time that the edge has left to it. */
  const handleInTime = async (c: OriginContext, edge: EdgeRequest): Promise<Answer | Problem> => {
    if (!readiness.isMigrated) return unavailable;
    if (!(edge.timeoutMs > 0)) return deadlineExceeded;
    const scope = new RequestScope(name, now() + edge.timeoutMs, isRead);
    deadlines.enter(scope);
    c.env?.outgoing?.once("close", () => scope.end("abandoned"));
    try {
      return await untilEnd(scope, handle(c, edge, scope));
    } catch (error) {
      return problemOfFailure(error, { requestId: edge.requestId, route: name }, log);
    } finally {
      deadlines.leave(scope);
    }
  };

  return async (c: OriginContext): Promise<Response> => {
    const beganAtMs = performance.now();
    const field = (fieldName: string): string | undefined => c.req.header(fieldName);
    const edge = verify({ method: c.req.method, url: c.req.url, field });
    if (edge === undefined) return problemResponse(problem("unsigned"), crypto.randomUUID());
    const answer = await handleInTime(c, edge);
    const response = isProblem(answer)
      ? problemResponse(answer, edge.requestId)
      : respond(answer, edge.requestId);
    observe(route, response.status, performance.now() - beganAtMs);
    return response;
  };
};
