/** The variables that every other middleware needs: the request id, the raw target and the client. */
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import type { Middleware } from "../pipeline.ts";
import { type Client, clientIdentities } from "./client.ts";

/** Continues work after the response. Its failure is ignored. */
export type WaitUntil = (work: Promise<unknown>) => void;

export interface ContextVariables {
  /** A UUID made here, never the client's. Without hyphens it is the trace id. */
  requestId: string;
  target: RawTarget;
  client: Client;
  waitUntil: WaitUntil;
}

/** A context for helpers. Hono's `Context` is only assignable to one with exactly the same variables. */
export interface VariableReader<Variables extends object> {
  get<Name extends keyof Variables>(name: Name): Variables[Name];
}

/** The parts that depend on the tier. */
export interface ContextPort {
  /** As reported by the platform or the connection; null if unknown. */
  clientAddress(c: Context): string | null;
  waitUntil(c: Context, work: Promise<unknown>): void;
  /** @default a new UUID */
  requestId?(): string | undefined;
}

/** Parsed addresses that an isolate or process caches. */
const MAX_CLIENTS = 10_000;

export const context = ({
  clientAddress,
  waitUntil,
  requestId = () => undefined,
}: ContextPort): Middleware<object, ContextVariables> => {
  const identify = clientIdentities(MAX_CLIENTS);
  return createMiddleware<{ Variables: ContextVariables }>(function context(c, next) {
    c.set("requestId", requestId() ?? crypto.randomUUID());
    c.set("target", rawTarget(c.req.url));
    c.set("client", identify(clientAddress(c)));
    c.set("waitUntil", (work) =>
      waitUntil(
        c,
        work.catch(() => undefined),
      ),
    );
    return next();
  });
};

/** A request's target as sent, for signatures, cache keys and screening. Hono's `c.req.path` is decoded. */
export interface RawTarget {
  /** Such as `https://api.example.com`. */
  readonly origin: string;
  readonly path: string;
  /** With its leading `?`; empty without one, or if only the `?` was sent. */
  readonly query: string;
}

/** @param url absolute; not parsed by `URL`, which is slower and would normalize what was signed */
export const rawTarget = (url: string): RawTarget => {
  const pathAt = url.indexOf("/", url.indexOf("://") + 3);
  if (pathAt < 0) return { origin: url, path: "/", query: "" };
  const queryAt = url.indexOf("?", pathAt);
  return {
    origin: url.slice(0, pathAt),
    path: queryAt < 0 ? url.slice(pathAt) : url.slice(pathAt, queryAt),
    query: queryAt < 0 || queryAt === url.length - 1 ? "" : url.slice(queryAt),
  };
};
