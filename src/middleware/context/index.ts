/** What every other middleware needs to know about a request: its id, its target as it was sent, and its client. */
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import type { Middleware } from "../pipeline.ts";
import { type Client, clientIdentities } from "./client.ts";

/** Continues with work after the response. A failure of that work affects nothing else. */
export type WaitUntil = (work: Promise<unknown>) => void;

export interface ContextVariables {
  /** A UUID made here; a client's own request id is never used. Without hyphens it is the trace id. */
  requestId: string;
  target: RawTarget;
  client: Client;
  waitUntil: WaitUntil;
}

/** What a helper reads of a context. Hono's own `Context` fits only a parameter that declares the very same variables. */
export interface VariableReader<Variables extends object> {
  get<Name extends keyof Variables>(name: Name): Variables[Name];
}

/** Where a tier gets a request's client from, and how it continues with work. */
export interface ContextPort {
  /** The address that the platform or the connection reports; null if there is none. */
  clientAddress(c: Context): string | null;
  waitUntil(c: Context, work: Promise<unknown>): void;
  /** Of a request that already has one. @default each request gets a new one */
  requestId?(): string | undefined;
}

/** Addresses that an isolate or process remembers in parsed form. */
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

/** A request's target as it was sent. Hono's `c.req.path` is decoded; signatures, cache keys and screening need the raw one. */
export interface RawTarget {
  /** Such as `https://api.example.com`. */
  readonly origin: string;
  readonly path: string;
  /** With its leading `?`; empty if there is none. A bare question mark counts as none. */
  readonly query: string;
}

/** @param url absolute. It is not parsed: that costs more, and would normalize what was signed. */
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
