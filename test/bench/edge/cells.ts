/** The measured cells: each is a server and the requests sent to it. */
import { type RequestBatch, requestBatch } from "../support/request-batch.ts";
import { type Client, clientOf, DISTINCT, orderRequest } from "./clients.ts";
import type { ServerId } from "./servers.ts";
import type { TokenIssuer } from "./tokens.ts";

export type CellId = "bare" | "key" | "listed" | "token" | "new_token" | "traced" | "stock";

export interface Cell {
  readonly id: CellId;
  readonly title: string;
  readonly server: ServerId;
  /** The nth request, counted from 0. */
  request(n: number): string;
  /**
   * Requests, ready to be sent.
   *
   * @param count minimum number, for requests that cannot be repeated
   */
  requests(count: number): RequestBatch;
}

const repeated = (request: Cell["request"]): Pick<Cell, "request" | "requests"> => {
  const requests = Array.from({ length: DISTINCT }, (_, n) => request(n));
  return { request, requests: () => requestBatch(requests, true) };
};

const madeAnew = (request: Cell["request"]): Pick<Cell, "request" | "requests"> => ({
  request,
  requests: (count) =>
    requestBatch(
      Array.from({ length: count }, (_, n) => request(n)),
      false,
    ),
});

export const createCells = (clients: readonly Client[], issuer: TokenIssuer): readonly Cell[] => {
  const withKey = repeated((n) => {
    const client = clientOf(clients, n);
    return orderRequest(n, client, client.key.key);
  });
  const tokens = new Map(clients.map((client) => [client, issuer.issue(client.name)]));
  const withToken = repeated((n) => {
    const client = clientOf(clients, n);
    return orderRequest(n, client, tokens.get(client) ?? "");
  });
  const withNewToken = madeAnew((n) => {
    const client = clientOf(clients, n);
    return orderRequest(n, client, issuer.issue(client.name));
  });
  return [
    { id: "bare", title: "bare pass-through", server: "bare", ...withKey },
    { id: "key", title: "chain, API key", server: "edge", ...withKey },
    { id: "listed", title: "chain, API key, 100,000 blocked", server: "listed", ...withKey },
    { id: "token", title: "chain, JWT, its verdict kept", server: "tokens", ...withToken },
    { id: "new_token", title: "chain, JWT, each one new (ES256)", server: "tokens", ...withNewToken },
    { id: "traced", title: "chain, API key, telemetry exported", server: "traced", ...withKey },
    { id: "stock", title: "stock stack, API key, traces exported", server: "stock", ...withKey },
  ];
};
