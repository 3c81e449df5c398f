/** An exchange as a tier opens it, for the tests of one guard. */

import { clientIdentities } from "../../src/middleware/context/client.ts";
import type { Exchange, GuardedRequest } from "../../src/middleware/exchange.ts";

export interface OpenOptions {
  readonly method?: string;
  /** With its query. */
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly client?: string;
  readonly body?: GuardedRequest["body"];
  readonly inBackground?: Exchange["inBackground"];
}

export const openExchange = ({
  method = "GET",
  target = "/",
  headers = {},
  client = "192.0.2.1",
  body = null,
  inBackground = () => undefined,
}: OpenOptions = {}): Exchange => {
  const queryAt = target.indexOf("?");
  return {
    request: { method, headers: new Headers({ ...headers }), body },
    requestId: "01900000-0000-7000-8000-000000000001",
    origin: "https://api.example.com",
    path: queryAt === -1 ? target : target.slice(0, queryAt),
    query: queryAt === -1 ? "" : target.slice(queryAt),
    client: clientIdentities(2)(client),
    verdict: { auth: "none" },
    limits: [],
    isExplained: false,
    inBackground,
  };
};
