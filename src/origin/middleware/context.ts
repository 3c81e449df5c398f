/** The variables of a request at the origin, and the port of the shared context middleware. */
import type { HttpBindings } from "@hono/node-server";
import type { Span } from "@opentelemetry/api";
import type { Context, MiddlewareHandler } from "hono";
import type { Identity } from "../../middleware/auth/principal.ts";
import type { ContextPort, ContextVariables } from "../../middleware/context/index.ts";
import type { CacheOutcome } from "../../middleware/response-cache/respond.ts";
import type { EdgeRequest } from "./verify-signature.ts";

interface OriginVariables extends ContextVariables {
  /** By `performance.now()`. */
  receivedAtMs: number;
  /** Set by `verifySignature`, or by the guards if the origin guards itself. */
  identity: Identity;
  /** Epoch milliseconds. Set with `identity`. */
  deadlineAtMs: number;
  /** Set by `verifySignature` alone. */
  edge: EdgeRequest | undefined;
  /** Set by the guards alone, which read the body before the origin does. */
  body: Uint8Array | undefined;
  /** The operation's name in the contract; undefined without a route. */
  operation: string | undefined;
  /** The server span, if the request is sampled. */
  span: Span | undefined;
  /** Set by the response cache. */
  cacheOutcome: CacheOutcome | undefined;
}

/** A test without a server has no bindings. */
export interface OriginEnv {
  Bindings: Partial<HttpBindings>;
  Variables: OriginVariables;
}

export type OriginContext = Context<OriginEnv>;
export type OriginMiddleware = MiddlewareHandler<OriginEnv>;

/** Some gateways write a port after the address, and brackets around that of IPv6 (RFC 7239 §6). */
const PORT_OR_BRACKETS = /^(?:([\d.]+):\d{1,5}|\[([^\]]+)\](?::\d{1,5})?)$/;

/** The last address of a list: a gateway appends it to the client's own field. */
export const lastOf = (field: string | undefined): string | null => {
  const last = field?.split(",").at(-1)?.trim() ?? null;
  const [, ipv4, ipv6] = PORT_OR_BRACKETS.exec(last ?? "") ?? [];
  return ipv4 ?? ipv6 ?? last;
};

/** @param clientAddressField the header field that a gateway writes @default the connection's address */
export const contextPort = (clientAddressField?: string): ContextPort => ({
  clientAddress: (c: OriginContext) =>
    clientAddressField === undefined
      ? (c.env?.incoming?.socket.remoteAddress ?? null)
      : lastOf(c.req.header(clientAddressField)),
  // Node completes the work anyway, and `context` has handled its errors.
  waitUntil: () => undefined,
});
