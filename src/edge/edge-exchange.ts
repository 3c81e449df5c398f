/** An exchange at the edge: what its requests at origins came to, beside what the guards have found out. */
import type { Exchange } from "../core/guards/exchange.ts";
import { clientIdentities } from "../core/security/client-identity.ts";
import type { AttemptRecord } from "./attempt-events.ts";

export interface EdgeExchange extends Exchange {
  readonly request: Request;
  /** What was done for it at origins. */
  readonly attempts: AttemptRecord[];
}

/** So many addresses an isolate remembers as it has read them. */
const MAX_CLIENTS = 10_000;

export type OpenExchange = (request: Request, inBackground: EdgeExchange["inBackground"]) => EdgeExchange;

export const exchanges = (): OpenExchange => {
  const identify = clientIdentities(MAX_CLIENTS);
  return (request, inBackground) => {
    const { origin, pathname, search } = new URL(request.url);
    return {
      request,
      inBackground,
      requestId: crypto.randomUUID(),
      origin,
      path: pathname,
      query: search,
      // The platform sets it on every request; a client cannot. What a client says of itself elsewhere is not read.
      client: identify(request.headers.get("cf-connecting-ip")),
      verdict: { auth: "none" },
      limits: [],
      attempts: [],
      isExplained: false,
    };
  };
};
