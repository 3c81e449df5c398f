/** Serves a read through the response cache, before the request is parsed. */
import type { Handler } from "hono";
import { LRUCache } from "lru-cache";
import { edgeRoute } from "../../contract/edge-manifest.ts";
import { isProblem, problem } from "../../contract/problem.ts";
import { type Route, timeoutMs } from "../../contract/route.ts";
import type { RawTarget } from "../../middleware/context/index.ts";
import type { FillResult } from "../../middleware/response-cache/entry.ts";
import type { FillOptions } from "../../middleware/response-cache/ports.ts";
import type { OriginDependencies } from "../app.ts";
import { finisher, type Operation, requestDeadline, runRead } from "../handler.ts";
import type { OriginContext, OriginEnv } from "./context.ts";
import { createDeadlines, Deadline } from "./deadline.ts";
import { problemOf, respondProblem } from "./error-handler.ts";
import { type ParsedInput, validate } from "./validate.ts";

/** The cache evaluates the condition. */
const withoutCondition = (input: ParsedInput): ParsedInput => {
  const { headers } = input;
  const isConditional = typeof headers === "object" && headers !== null && "if-none-match" in headers;
  return isConditional ? { ...input, headers: { ...headers, "if-none-match": undefined } } : input;
};

const isPlain = (value: unknown): value is string | number | boolean =>
  ["string", "number", "boolean"].includes(typeof value);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** As the schemas write it; a part of which they make more than a text, number or boolean stays as sent. */
const normalTarget = ({ path }: Route, { params, query }: ParsedInput, sent: RawTarget): RawTarget => {
  const values = isObject(params) ? params : {};
  const segments = path.split("/").map((segment) => {
    const value = segment.startsWith(":") ? values[segment.slice(1)] : undefined;
    return isPlain(value) ? encodeURIComponent(value) : segment;
  });
  const fields = Object.entries(isObject(query) ? query : {}).filter(([, value]) => value !== undefined);
  const search = new URLSearchParams(
    Object.fromEntries(fields.map(([name, value]) => [name, String(value)])),
  );
  return {
    ...sent,
    path: segments.some((segment) => segment.startsWith(":")) ? sent.path : segments.join("/"),
    query: fields.every(([, value]) => isPlain(value)) ? (fields.length > 0 ? `?${search}` : "") : sent.query,
  };
};

/** Requests that were validated, by their target as sent: a fresh hit costs no validation. */
const MAX_TARGETS = 1_000;
const MAX_TARGET_LENGTH = 2_048;

export const cachedRead = (operation: Operation, dependencies: OriginDependencies): Handler<OriginEnv> => {
  const { name, route } = operation;
  const { cache, deadlines, observeCache, signingKeys, log, now } = dependencies;
  const finish = finisher(route, dependencies);
  const cacheRoute = edgeRoute(route);
  /** Of work that several requests share; it does not count as a request in flight. */
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
      // Logged here, once, even if the cache serves a stale response instead.
      return problemOf(error, { requestId: deadline.requestId, route: name }, log);
    }
  };

  const targets = new LRUCache<string, RawTarget>({ max: MAX_TARGETS });
  const target = (c: OriginContext): RawTarget | undefined => {
    const sent = c.get("target");
    const text = sent.path + sent.query;
    const known = targets.get(text);
    if (known !== undefined) return known;
    const input = validate(route, c);
    if ("code" in input) return undefined;
    const normal = normalTarget(route, input, sent);
    if (text.length <= MAX_TARGET_LENGTH) targets.set(text, normal);
    return normal;
  };

  const serve = cache.handler<OriginContext>({
    route: () => cacheRoute,
    target,
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
