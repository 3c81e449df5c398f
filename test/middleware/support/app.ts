/** Middleware in a Hono application, for tests on any runtime. */
import type { Context, MiddlewareHandler } from "hono";
import { Hono } from "hono/tiny";
import { type EdgeRoutes, edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import type { Problem } from "../../../src/contract/problem.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import type { AuthVariables } from "../../../src/middleware/auth/index.ts";
import type { BodyVariables } from "../../../src/middleware/body-limit/index.ts";
import {
  type ContextVariables,
  context,
  type VariableReader,
  type WaitUntil,
} from "../../../src/middleware/context/index.ts";
import { cors } from "../../../src/middleware/cors/index.ts";
import { Pipeline } from "../../../src/middleware/pipeline.ts";
import { problems, type RejectionVariables } from "../../../src/middleware/problems/index.ts";
import type { RateLimitVariables } from "../../../src/middleware/rate-limit/index.ts";
import { type RouteVariables, routePolicy } from "../../../src/middleware/route-policy/index.ts";
import { compileRoutes } from "../../../src/middleware/route-policy/route-table.ts";
import { type ScreeningVariables, screening } from "../../../src/middleware/screening/index.ts";
import { problemOf } from "../../support/problem-of.ts";

export interface RequestOptions {
  readonly method?: string;
  /** Path and query, sent exactly as they are. */
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: ReadableStream<Uint8Array> | undefined;
  /** The client's address. */
  readonly client?: string;
}

type Variables = ContextVariables &
  Partial<
    ScreeningVariables &
      RouteVariables &
      AuthVariables &
      RateLimitVariables &
      BodyVariables &
      RejectionVariables
  >;
interface TestEnv {
  Bindings: { readonly client: string };
  Variables: Variables;
}

export interface Outcome {
  readonly response: Response;
  /** Whether the request reached the handler. */
  readonly passed: boolean;
  /** Whether the middleware let the request pass, or rejected it, before anything was awaited. */
  readonly isSynchronous: boolean;
  /** Undefined if the response is no problem. */
  readonly problem: Pick<Problem, "code" | "detail"> | undefined;
  /** The request's variables at the end. */
  readonly variables: Readonly<Partial<Variables>>;
}

/** Unlike `new Request`, servers neither normalize URLs nor restrict methods. */
const requestAsSent = ({ method = "GET", target = "/", headers = {}, body }: RequestOptions): Request => {
  const init: RequestInit = { method: "POST", headers: { ...headers } };
  const request = new Request(
    "https://api.example.com/",
    body === undefined ? init : { ...init, body, duplex: "half" },
  );
  return Object.defineProperties(request, {
    method: { value: method },
    url: { value: `https://api.example.com${target}` },
  });
};

const problemIn = async (response: Response): Promise<Outcome["problem"]> => {
  if (response.headers.get("content-type") !== "application/problem+json") return undefined;
  const { code, detail } = await problemOf(response.clone());
  return { code, ...(detail !== undefined && { detail }) };
};

/**
 * An application of the context middleware, the middleware under test, and a handler that answers 200.
 *
 * @returns sends a request; `background` collects its work after the response
 */
export const appOf = (
  middleware: readonly MiddlewareHandler[],
  background: Promise<unknown>[] = [],
): ((options?: RequestOptions) => Promise<Outcome>) => {
  let latest: Context<TestEnv> | undefined;
  const passed = new WeakSet<Context>();
  const app = new Hono<TestEnv>()
    .use(
      context({
        clientAddress: (c) => c.env.client,
        waitUntil: (c, work) => c.executionCtx.waitUntil(work),
      }),
      (c, next) => {
        latest = c;
        return next();
      },
      ...middleware,
    )
    .all("*", (c) => {
      passed.add(c);
      return c.text("passed");
    })
    .onError(
      problems((entry) => {
        throw new Error(`unexpected: ${JSON.stringify(entry)}`);
      }),
    );

  return async (options = {}) => {
    const responding = app.fetch(
      requestAsSent(options),
      { client: options.client ?? "192.0.2.1" },
      {
        waitUntil: (work) => void background.push(work),
        passThroughOnException: () => undefined,
        props: {},
      },
    );
    const c = latest;
    if (c === undefined) throw new Error("the request did not reach the middleware");
    const isSynchronous = passed.has(c) || c.get("rejectedBy") !== undefined;
    const response = await responding;
    const problem = await problemIn(response);
    return { response, passed: passed.has(c), isSynchronous, problem, variables: { ...c.var } };
  };
};

/** The middleware before any that needs a route. @param now epoch milliseconds */
export const routed = (routes: EdgeRoutes, now: () => number = () => Date.now()) => {
  const table = compileRoutes(routes);
  return new Pipeline<ContextVariables>()
    .use(cors(table))
    .use(screening({ routes: table, report: () => undefined }))
    .use(routePolicy({ routes: table, now }));
};

const anyRoute = defineRoute({
  method: "GET",
  path: "/",
  summary: "Any route",
  tag: "Test",
  responses: { 200: { description: "Done" } },
  policy: { auth: "public" },
});

/** A context outside an application. */
export const requestReader = (
  waitUntil: WaitUntil = () => undefined,
): VariableReader<ContextVariables & RouteVariables> => {
  const { anyRoute: route } = edgeRoutes({ anyRoute });
  if (route === undefined) throw new Error("no such route");
  const variables: ContextVariables & RouteVariables = {
    requestId: "01900000-0000-7000-8000-000000000001",
    target: { origin: "https://api.example.com", path: "/", query: "" },
    client: { name: "unknown", network: "unknown", address: undefined },
    waitUntil,
    route: { name: "anyRoute", route },
    deadlineAtMs: Number.POSITIVE_INFINITY,
  };
  return { get: (name) => variables[name] };
};
