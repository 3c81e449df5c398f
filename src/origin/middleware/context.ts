/** The variables of a request at the origin, and where the shared context middleware gets the first of them from. */
import type { HttpBindings } from "@hono/node-server";
import type { Span } from "@opentelemetry/api";
import type { Context, MiddlewareHandler } from "hono";
import type { Identity } from "../../middleware/auth/principal.ts";
import type { ContextPort, ContextVariables } from "../../middleware/context/index.ts";
import type { CacheOutcome } from "../../middleware/response-cache/respond.ts";
import type { EdgeRequest } from "./verify-signature.ts";

export interface OriginVariables extends ContextVariables {
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
  span: Span | undefined;
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

/** The last of a list: the gateway appends the address to whatever the client sent. */
const lastOf = (field: string | undefined): string | null => field?.split(",").at(-1)?.trim() ?? null;

/** @param clientAddressField the header field that a gateway writes @default the connection's address counts */
export const contextPort = (clientAddressField?: string): ContextPort => ({
  clientAddress: (c: OriginContext) =>
    clientAddressField === undefined
      ? (c.env?.incoming?.socket.remoteAddress ?? null)
      : lastOf(c.req.header(clientAddressField)),
  // Node needs no help to continue: `context` has handled the errors.
  waitUntil: () => undefined,
});
