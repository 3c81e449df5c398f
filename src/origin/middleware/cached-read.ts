/** Serves a read through the response cache, before anything of the request is parsed. */
import type { Handler } from "hono";
import { edgeRoute } from "../../contract/edge-manifest.ts";
import { isProblem, problem } from "../../contract/problem.ts";
import { timeoutMs } from "../../contract/route.ts";
import type { FillResult } from "../../middleware/response-cache/entry.ts";
import type { FillOptions } from "../../middleware/response-cache/fill.ts";
import type { OriginDependencies } from "../app.ts";
import { finisher, type Operation, requestDeadline, runRead } from "../handler.ts";
import type { OriginContext, OriginEnv } from "./context.ts";
import { createDeadlines, Deadline } from "./deadline.ts";
import { problemOf, respondProblem } from "./error-handler.ts";
import { type ParsedInput, validate } from "./validate.ts";

/** The condition selects what is sent: the cache evaluates it. */
const withoutCondition = (input: ParsedInput): ParsedInput => {
  const { headers } = input;
  if (typeof headers !== "object" || headers === null || !("if-none-match" in headers)) return input;
  return { ...input, headers: { ...headers, "if-none-match": undefined } };
};

export const cachedRead = (operation: Operation, dependencies: OriginDependencies): Handler<OriginEnv> => {
  const { name, route } = operation;
  const { cache, deadlines, observeCache, signingKeys, log, now } = dependencies;
  const finish = finisher(route, dependencies);
  const cacheRoute = edgeRoute(route);
  /** Of the work that several requests wait for, which is no request. */
  const fillDeadlines = createDeadlines(now);

  const fill = async (c: OriginContext, { isShared, signal }: FillOptions): Promise<FillResult> => {
    const input = validate(route, c);
    if ("code" in input) return input;
    const deadline = isShared
      ? new Deadline(name, now() + timeoutMs(route), true)
      : requestDeadline(name, true, c);
    signal?.addEventListener("abort", () => deadline.end("abandoned"));
    const call = { input: withoutCondition(input), principal: undefined, deadline };
    const run = () => runRead(operation, dependencies, call);
    try {
      const answer = await (isShared
        ? fillDeadlines.run(deadline, undefined, run)
        : deadlines.run(deadline, c, run));
      return isProblem(answer) ? answer : finish(answer);
    } catch (error) {
      if (deadline.ended === "abandoned") return problem("deadline_exceeded");
      // Logged here, once, whatever the cache serves instead.
      return problemOf(error, { requestId: deadline.requestId, route: name }, log);
    }
  };

  const serve = cache.handler<OriginContext>({
    route: () => cacheRoute,
    fill,
    waiter: (c) => {
      const deadline = requestDeadline(name, true, c);
      deadlines.enter(deadline);
      c.env?.outgoing?.once("close", () => deadline.end("abandoned"));
      return {
        deadlineAtMs: deadline.deadlineAtMs,
        onEnd: (listener) => deadline.onEnd(listener),
        leave: () => deadlines.leave(deadline),
      };
    },
    cacheControl: (c) => c.get("edge")?.cacheControl,
    reject: (c, rejected) => respondProblem(c, rejected, signingKeys),
  });

  const observed = (c: OriginContext, response: Response): Response => {
    const outcome = c.get("cacheOutcome");
    if (outcome !== undefined) observeCache(route, outcome);
    return response;
  };

  return (c) => {
    const response = serve(c);
    return response instanceof Promise ? response.then((ready) => observed(c, ready)) : observed(c, response);
  };
};
