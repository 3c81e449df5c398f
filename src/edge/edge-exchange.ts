/** An exchange at the edge: what its requests at origins came to, beside what the guards have found out. */

import { clientIdentities } from "../middleware/context/client.ts";
import type { Exchange } from "../middleware/exchange.ts";
import type { CacheOutcome } from "../middleware/response-cache/outcome.ts";
import type { AttemptRecord } from "./attempt-events.ts";
import type { RequestTrace } from "./telemetry/request-trace.ts";

export interface EdgeExchange extends Exchange {
  readonly request: Request;
  /** What was done for it at origins. */
  readonly attempts: AttemptRecord[];
  /** Where its trace is kept. */
  trace?: RequestTrace | undefined;
  /** What the edge's cache has made of it; undefined where it was not asked. */
  cacheOutcome?: CacheOutcome;
}

/** So many addresses an isolate remembers as it has read them. */
const MAX_CLIENTS = 10_000;

/** Of an absolute URL as the platform writes it: resolved, and without a fragment. To parse it once more would cost more. */
const partsOf = (url: string): Pick<EdgeExchange, "origin" | "path" | "query"> => {
  const pathAt = url.indexOf("/", url.indexOf("//") + 2);
  const queryAt = url.indexOf("?", pathAt);
  return {
    origin: url.slice(0, pathAt),
    path: queryAt < 0 ? url.slice(pathAt) : url.slice(pathAt, queryAt),
    // A bare question mark asks for nothing.
    query: queryAt < 0 || queryAt === url.length - 1 ? "" : url.slice(queryAt),
  };
};

export type OpenExchange = (request: Request, inBackground: EdgeExchange["inBackground"]) => EdgeExchange;

export const exchanges = (): OpenExchange => {
  const identify = clientIdentities(MAX_CLIENTS);
  return (request, inBackground) => {
    return {
      request,
      inBackground,
      requestId: crypto.randomUUID(),
      ...partsOf(request.url),
      // The platform sets it on every request; a client cannot. What a client says of itself elsewhere is not read.
      client: identify(request.headers.get("cf-connecting-ip")),
      verdict: { auth: "none" },
      limits: [],
      attempts: [],
      isExplained: false,
    };
  };
};
