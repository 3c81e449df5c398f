/** Serves a read: from the cache where the policy lets it, else by its handler. */
import { isProblem, type Problem, statusOf } from "../contract/problem.ts";
import { timeoutMs } from "../contract/route.ts";
import type { Principal } from "../middleware/auth/principal.ts";
import type { CacheOutcome } from "../middleware/response-cache/outcome.ts";
import type { Occurrence } from "../security-events/event.ts";
import type { AdmittedRequest } from "./admitted-request.ts";
import type { Answer } from "./answer.ts";
import type { CacheResult } from "./cache/answer-cache.ts";
import { bypassedAnswer, cachedRoute, conditional, toldAnswer, unconditional } from "./cache/cached-route.ts";
import { createDeadlines } from "./deadlines.ts";
import { problemOfFailure } from "./failure-problem.ts";
import { inScope } from "./in-scope.ts";
import { type ParsedInput, readInput } from "./read-input.ts";
import { Refusal } from "./refusal.ts";
import { RequestScope } from "./request-scope.ts";
import {
  type Answering,
  authorise,
  type OriginContext,
  principalOf,
  type RouteDependencies,
  type RouteOperation,
} from "./route-operation.ts";
import { servicesFor } from "./route-services.ts";
import { dataAccess } from "./security-events/data-access.ts";
import { targetOf } from "./verify-edge.ts";

const NO_BODY = new Uint8Array(0);

export const readAnswering = (
  { name, route, handler }: RouteOperation,
  dependencies: RouteDependencies,
): Answering => {
  const { deadlines, loadShedding, cache, observeCache, defaultFreshS, securityEvents, log, now } =
    dependencies;
  const cached = cachedRoute(name, route, defaultFreshS);
  /** Of what is made for all: it is no request. */
  const makings = createDeadlines(now);

  const scopeOf = (forMs: number, requestId?: string): RequestScope =>
    new RequestScope(name, now() + forMs, true, requestId);

  const handle = (
    scope: RequestScope,
    input: ParsedInput,
    principal: Principal | undefined,
  ): Promise<Answer | Problem> => {
    const services = servicesFor(
      { name, scope, principal, query: input.query, written: new Set() },
      dependencies,
    );
    return loadShedding.run(name, route, scope, async () => handler({ ...input, principal }, services));
  };

  /**
   * For whoever waits for it: none of them ends it by going away, but all of them do. Why it failed is told here,
   * once, whatever is used in its place.
   */
  const makeForAll = async (input: ParsedInput, abandoned: Promise<void>): Promise<Answer | Problem> => {
    const scope = scopeOf(timeoutMs(route));
    void abandoned.then(() => scope.end("abandoned"));
    try {
      return await inScope(makings, scope, undefined, () => handle(scope, input, undefined));
    } catch (error) {
      if (error instanceof Refusal || scope.ended === "abandoned") throw error;
      throw new Refusal(problemOfFailure(error, { route: name }, log));
    }
  };

  const answer = (
    c: OriginContext,
    admitted: AdmittedRequest,
    principal: Principal | undefined,
  ): Answer | Problem | Promise<Answer | Problem> => {
    const { path, query } = targetOf(c.req.url);
    const header = (field: string): string | undefined => c.req.header(field);
    const params = c.req.param();
    const input = readInput(route, { params, query: new URLSearchParams(query), header, body: NO_BODY });
    if ("code" in input) return input;
    const waiting = <T>(work: (scope: RequestScope) => Promise<T>): Promise<T> => {
      const scope = scopeOf(admitted.timeoutMs, admitted.requestId);
      return inScope(deadlines, scope, c, () => work(scope));
    };
    if (cached === undefined) return waiting((scope) => handle(scope, input, principal));

    const asked = unconditional(input);
    const condition = header("if-none-match");
    const request = cached.request({
      input: asked,
      path,
      cacheControl: admitted.cacheControl,
      make: (abandoned) => makeForAll(asked, abandoned),
    });
    if (request === undefined) {
      return waiting(async (scope) =>
        conditional(bypassedAnswer(await handle(scope, asked, principal)), condition),
      );
    }
    const note = (outcome: CacheOutcome): void => {
      admitted.notes.cacheOutcome = outcome;
      observeCache(route, outcome);
    };
    const told = (result: CacheResult): Answer | Problem => {
      note(result.outcome);
      return conditional(toldAnswer(result), condition);
    };
    const ready = cache.ready(request);
    if (ready !== undefined) return told(ready);
    return waiting((scope) => cache.wait(request, scope)).then(told, (error: unknown) => {
      // What a client did wrong is no failure of the cache's.
      note(error instanceof Refusal && statusOf(error.problem) < 500 ? "miss" : "failed");
      throw error;
    });
  };

  const accessed = async (
    given: Answer | Problem | Promise<Answer | Problem>,
    access: Occurrence,
  ): Promise<Answer | Problem> => {
    const answered = await given;
    if (!isProblem(answered)) securityEvents?.record(access);
    return answered;
  };

  return (c, admitted) => {
    const principal = principalOf(route, admitted);
    const refused = authorise(route, principal);
    if (refused !== undefined) return refused;
    const access = dataAccess({ name, route, now }, c, admitted, principal);
    const given = answer(c, admitted, principal);
    return access === undefined ? given : accessed(given, access);
  };
};
