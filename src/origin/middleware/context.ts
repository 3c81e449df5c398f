/** The variables of a request, and the middleware that sets the first of them. */
import type { HttpBindings } from "@hono/node-server";
import type { Context, MiddlewareHandler } from "hono";
import type { Identity } from "../../middleware/auth/principal.ts";
import { type Client, clientIdentities } from "../../middleware/context/client.ts";
import type { CacheOutcome } from "../../middleware/response-cache/outcome.ts";
import type { RequestSpan } from "../telemetry/tracing.ts";
import type { EdgeRequest } from "./verify-signature.ts";

/** A request's target exactly as it was sent: `new URL` and `c.req.path` would normalize it. */
export interface Target {
  readonly origin: string;
  readonly path: string;
  /** With its leading `?`; empty without one. */
  readonly query: string;
}

export interface OriginVariables {
  /** A UUID: the edge's if the edge has signed the request. */
  requestId: string;
  target: Target;
  client: Client;
  /** Lets work continue after the response. Its errors are ignored. */
  waitUntil: (work: Promise<unknown>) => void;
  /** By `performance.now()`. */
  receivedAtMs: number;

  /** Set by `verifySignature`, or by the guards if the origin guards itself. */
  identity: Identity;
  /** Epoch milliseconds. Set with `identity`. */
  deadlineAtMs: number;
  /** Set by `verifySignature` alone. */
  edge: EdgeRequest | undefined;
  /** Set by the guards alone: they read it before the origin does. */
  body: Uint8Array | undefined;

  /** The operation's name in the contract; undefined without a route. */
  operation: string | undefined;
  /** The server span, if the request is sampled. */
  span: RequestSpan | undefined;
  /** Set if the response cache was asked. */
  cacheOutcome: CacheOutcome | undefined;
}

/** A test without a server has no bindings. */
export interface OriginEnv {
  Bindings: Partial<HttpBindings>;
  Variables: OriginVariables;
}

export type OriginContext = Context<OriginEnv>;
export type OriginMiddleware = MiddlewareHandler<OriginEnv>;

/** How many addresses are kept parsed. */
const MAX_CLIENTS = 10_000;

const waitUntil = (work: Promise<unknown>): void => void work.catch(() => undefined);

const targetOf = (url: string): Target => {
  const pathAt = url.indexOf("/", url.indexOf("://") + 3);
  if (pathAt === -1) return { origin: url, path: "/", query: "" };
  const origin = url.slice(0, pathAt);
  const queryAt = url.indexOf("?", pathAt);
  return queryAt === -1
    ? { origin, path: url.slice(pathAt), query: "" }
    : { origin, path: url.slice(pathAt, queryAt), query: url.slice(queryAt) };
};

/** The last of a list: the gateway appends the address to whatever the client sent. */
const lastOf = (field: string | undefined): string | null => field?.split(",").at(-1)?.trim() ?? null;

/** @param clientAddressField the header field that the gateway writes @default the connection's address counts */
export const context = (clientAddressField?: string): OriginMiddleware => {
  const identify = clientIdentities(MAX_CLIENTS);
  return (c, next) => {
    const address =
      clientAddressField === undefined
        ? (c.env?.incoming?.socket.remoteAddress ?? null)
        : lastOf(c.req.header(clientAddressField));
    c.set("receivedAtMs", performance.now());
    c.set("requestId", crypto.randomUUID());
    c.set("target", targetOf(c.req.url));
    c.set("client", identify(address));
    c.set("waitUntil", waitUntil);
    return next();
  };
};
