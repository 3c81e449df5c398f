/** Handlers: the types of input and output, derived from the route's declaration, and how a handler runs. */
import type * as z from "zod/mini";
import type { ApiSettings, httpDependencies } from "#api/origin/config.ts";
import { internalHeaders } from "../contract/internal-headers.ts";
import type { Policy } from "../contract/policy.ts";
import { isProblem, type Problem, type ProblemCode } from "../contract/problem.ts";
import type { Route, Routes, Schema } from "../contract/route.ts";
import type { Identity, Principal } from "../middleware/auth/principal.ts";
import { problemResponse, securityHeaders } from "../middleware/problems/index.ts";
import { type TextResponse, windowsOf } from "../middleware/response-cache/entry.ts";
import { writtenTag } from "../middleware/response-cache/invalidations.ts";
import type { OriginDependencies } from "./app.ts";
import { type Cursors, cursorsOf, filterOf } from "./cursors.ts";
import type { Database } from "./db/database.ts";
import type { CallDependency } from "./http/client.ts";
import type { OriginLog } from "./log/log.ts";
import type { OriginContext } from "./middleware/context.ts";
import { Deadline } from "./middleware/deadline.ts";
import { type ParsedInput, validate } from "./middleware/validate.ts";

type Part<R extends Route, Key extends string> = R["request"] extends {
  readonly [K in Key]: infer S extends Schema;
}
  ? z.output<S>
  : undefined;

export interface Input<R extends Route> {
  readonly params: Part<R, "params">;
  readonly query: Part<R, "query">;
  readonly headers: Part<R, "headers">;
  readonly body: Part<R, "body">;
  /** The authenticated principal; undefined on a public route. */
  readonly principal: R["policy"]["auth"] extends "public" ? undefined : Principal;
}

type ProblemsOf<R extends Route> = R["problems"] extends readonly (infer Code extends ProblemCode)[]
  ? Code
  : never;

/** One of the route's responses, or a problem that it declares. */
export type Output<R extends Route> =
  | {
      [Status in keyof R["responses"] & number]: {
        readonly status: Status;
      } & (R["responses"][Status] extends { readonly body: infer S extends Schema }
        ? { readonly body: z.input<S> }
        : R["responses"][Status] extends { readonly mediaType: string }
          ? { readonly text: string }
          : unknown) &
        (R["responses"][Status] extends { readonly headers: infer Names }
          ? { readonly headers: { readonly [Name in keyof Names]: string } }
          : { readonly headers?: Readonly<Record<string, string>> });
    }[keyof R["responses"] & number]
  | Problem<ProblemsOf<R>>;

/** The services of a handler, bound to its request and the request's deadline. */
export interface Services {
  /** With an Idempotency-Key, the transaction that also holds the key's record. */
  readonly database: Database;
  readonly cursors: Cursors;
  readonly cache: {
    /**
     * Invalidates cached responses by tags of the contract's cacheable routes, such as `products/7`. After
     * the response to the write, this origin serves no older response.
     *
     * @throws TypeError for an empty tag
     */
    invalidate(...tags: readonly string[]): void;
  };
  /** Aborts at the request's deadline, or when its client disconnects. */
  readonly signal: AbortSignal;
  /** The request's id, which is also its trace's; undefined for a cached response, which several requests share. */
  readonly requestId: string | undefined;
  /** Its lines have the operation's name, and the ids of request and trace. */
  readonly log: OriginLog;
  /** `fetch` to a service that `api/config.ts` declares: with its breaker, the request's deadline, a span and a metric. */
  readonly fetch: CallDependency<keyof typeof httpDependencies & string>;
  /** The values of `apiSettings` in `api/config.ts`. */
  readonly settings: ApiSettings;
}

export type Handler<R extends Route> = (
  input: Input<R>,
  services: Services,
) => Output<R> | Promise<Output<R>>;

/** A handler for every route. */
export type Handlers<All extends Routes> = { readonly [Name in keyof All]: Handler<All[Name]> };

/** A handler of any route. */
export type AnyHandler = (
  input: ParsedInput & { readonly principal: Principal | undefined },
  services: Services,
) => Promise<Answer | Problem> | Answer | Problem;

export interface Operation {
  /** The operation's name in the contract. */
  readonly name: string;
  readonly route: Route;
  readonly handler: AnyHandler;
}

/** One call of a handler. */
export interface Call {
  readonly input: ParsedInput;
  readonly principal: Principal | undefined;
  readonly deadline: Deadline;
  /** Collects the tags that the handler invalidates. */
  readonly invalidated: Set<string>;
}

/** Undefined on a public route, even if the client has authenticated. */
export const routePrincipal = ({ policy }: Route, identity: Identity): Principal | undefined =>
  identity.auth === "none" || policy.auth === "public" ? undefined : identity.principal;

type HandlerDependencies = Pick<OriginDependencies, "signingKeys" | "callerFetch" | "settings" | "log">;

/** @param database the request's own, or a transaction in it */
export const callHandler = (
  { name, handler }: Operation,
  { input, principal, deadline, invalidated }: Call,
  database: Database,
  { signingKeys, callerFetch, settings, log }: HandlerDependencies,
): Promise<Answer | Problem> | Answer | Problem =>
  handler(
    { ...input, principal },
    {
      database,
      cursors: cursorsOf(signingKeys, () => ({
        operation: name,
        principal: principal?.id,
        filter: filterOf(input.query),
      })),
      cache: {
        invalidate: (...tags) => {
          for (const tag of tags) invalidated.add(writtenTag(tag));
        },
      },
      requestId: deadline.requestId,
      settings,
      // Made on first use: most handlers need none of them.
      get signal() {
        return deadline.signal;
      },
      get log() {
        return log.child({ route: name, requestId: deadline.requestId });
      },
      get fetch() {
        return callerFetch(deadline);
      },
    },
  );

/** Runs a read's handler under load shedding. @throws ShedError, DeadlineError, what the handler throws */
export const runRead = (
  operation: Operation,
  dependencies: OriginDependencies,
  call: Omit<Call, "invalidated">,
): Promise<Answer | Problem> =>
  dependencies.loadShedding.run(operation.name, operation.route, call.deadline, async () => {
    const database = dependencies.database.within(call.deadline);
    return callHandler(operation, { ...call, invalidated: new Set() }, database, dependencies);
  });

export const requestDeadline = (name: string, readOnly: boolean, c: OriginContext): Deadline =>
  new Deadline(name, c.get("deadlineAtMs"), readOnly, c.get("requestId"));

/** Serves a read that is not cached: validation, load shedding, the handler. */
export const createRead = (operation: Operation, dependencies: OriginDependencies) => {
  const { name, route } = operation;
  const respond = responder(route, dependencies);
  return (c: OriginContext): Promise<Response> => {
    const deadline = requestDeadline(name, true, c);
    return dependencies.deadlines.run(deadline, c, async () => {
      const input = validate(route, c);
      if ("code" in input) return respond(c, input);
      const principal = routePrincipal(route, c.get("identity"));
      return respond(c, await runRead(operation, dependencies, { input, principal, deadline }));
    });
  };
};

/** An answer of any route's handler. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** A body that is JSON already. */
  readonly json?: string;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * The Cache-Control field of a route's cache policy (RFC 9111 §5.2.2, RFC 5861).
 *
 * @param defaultFreshS if the policy has no freshness, seconds
 */
const cacheControl = ({ cache }: Policy, defaultFreshS: number): string => {
  if (cache === undefined) return "no-store";
  const { freshMs, staleWhileRevalidateMs, staleIfErrorMs } = windowsOf(cache, defaultFreshS);
  return [
    "public",
    `max-age=${freshMs / 1_000}`,
    ...(staleWhileRevalidateMs === 0 ? [] : [`stale-while-revalidate=${staleWhileRevalidateMs / 1_000}`]),
    ...(staleIfErrorMs === 0 ? [] : [`stale-if-error=${staleIfErrorMs / 1_000}`]),
  ].join(", ");
};

const contentOf = ({ body, json, text }: Answer): { content: string; type: string } | undefined => {
  if (text !== undefined) return { content: text, type: "text/plain; charset=utf-8" };
  if (json !== undefined) return { content: json, type: "application/json" };
  return body === undefined ? undefined : { content: JSON.stringify(body), type: "application/json" };
};

type ResponseOptions = Pick<OriginDependencies, "defaultFreshS">;

/** Makes a route's responses, without the fields of a single request. */
export const finisher = ({ policy }: Route, { defaultFreshS }: ResponseOptions) => {
  const constant = { ...securityHeaders, "cache-control": cacheControl(policy, defaultFreshS) };
  return (answer: Answer): TextResponse => {
    const written = contentOf(answer);
    const type = written === undefined ? undefined : { "content-type": written.type };
    const headers = { ...constant, ...type, ...answer.headers };
    return { status: answer.status, headers, body: written?.content ?? null };
  };
};

export const responder = (route: Route, options: ResponseOptions) => {
  const finish = finisher(route, options);
  return (c: OriginContext, answer: Answer | Problem): Response => {
    const requestId = c.get("requestId");
    if (isProblem(answer)) return problemResponse(answer, requestId);
    const { status, headers, body } = finish(answer);
    return new Response(body, { status, headers: { ...headers, [internalHeaders.requestId]: requestId } });
  };
};
