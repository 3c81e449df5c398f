/** Serves a read through the response cache. */
import type { Handler } from "hono";
import { type Problem, statusOf } from "../../contract/problem.ts";
import { timeoutMs } from "../../contract/route.ts";
import type { CacheOutcome } from "../../middleware/response-cache/outcome.ts";
import type { OriginDependencies } from "../app.ts";
import type { CacheResult } from "../cache/answer-cache.ts";
import {
  bypassedAnswer,
  type CachedRoute,
  conditional,
  toldAnswer,
  unconditional,
} from "../cache/cached-route.ts";
import { type Operation, requestDeadline, runRead } from "../handler.ts";
import { type Answer, responder } from "../http/response.ts";
import type { OriginContext, OriginEnv } from "./context.ts";
import { createDeadlines, Deadline } from "./deadline.ts";
import { ProblemError, problemOf } from "./error-handler.ts";
import { type ParsedInput, validate } from "./validate.ts";

export const cachedRead = (
  operation: Operation,
  cached: CachedRoute,
  dependencies: OriginDependencies,
): Handler<OriginEnv> => {
  const { name, route } = operation;
  const { deadlines, cache, observeCache, log, now } = dependencies;
  const respond = responder(route, dependencies);
  /** Of the work that several requests wait for, which is no request. */
  const fillDeadlines = createDeadlines(now);

  /**
   * Shared by all requests that wait; canceled when the last one leaves. A failure is logged here, once, whatever the
   * cache serves instead.
   */
  const makeForAll = async (input: ParsedInput, abandoned: Promise<void>): Promise<Answer | Problem> => {
    const deadline = new Deadline(name, now() + timeoutMs(route), true);
    void abandoned.then(() => deadline.end("abandoned"));
    try {
      return await fillDeadlines.run(deadline, undefined, () =>
        runRead(operation, dependencies, { input, principal: undefined, deadline }),
      );
    } catch (error) {
      if (error instanceof ProblemError || deadline.ended === "abandoned") throw error;
      throw new ProblemError(problemOf(error, { route: name }, log));
    }
  };

  const observe = (c: OriginContext, outcome: CacheOutcome): void => {
    c.set("cacheOutcome", outcome);
    observeCache(route, outcome);
  };

  return async (c) => {
    const parsed = validate(route, c);
    if ("code" in parsed) return respond(c, parsed);
    const input = unconditional(parsed);
    const condition = c.req.header("if-none-match");
    const request = cached.request({
      input,
      path: c.get("target").path,
      cacheControl: c.get("edge")?.cacheControl,
      make: (abandoned) => makeForAll(input, abandoned),
    });
    const respondResult = (result: CacheResult): Response => {
      observe(c, result.outcome);
      return respond(c, conditional(toldAnswer(result), condition));
    };
    const ready = request && cache.ready(request);
    if (ready !== undefined) return respondResult(ready);

    const deadline = requestDeadline(name, true, c);
    if (request === undefined) {
      const call = { input, principal: undefined, deadline };
      const answer = await deadlines.run(deadline, c, () => runRead(operation, dependencies, call));
      return respond(c, conditional(bypassedAnswer(answer), condition));
    }
    try {
      return respondResult(await deadlines.run(deadline, c, () => cache.wait(request, deadline)));
    } catch (error) {
      // A client's mistake is no failure of the cache.
      observe(c, error instanceof ProblemError && statusOf(error.problem) < 500 ? "miss" : "failed");
      throw error;
    }
  };
};
