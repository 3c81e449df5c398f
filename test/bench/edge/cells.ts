/** The measured cells: each is a server and the requests sent to it. */
import { requestBatch } from "../support/request-batch.ts";
import type { Cell } from "../support/rounds.ts";
import { type Client, clientOf, DISTINCT, orderRequest } from "./clients.ts";
import type { ServerId } from "./servers.ts";
import type { TokenIssuer } from "./tokens.ts";

type CellId = "bare" | "key" | "listed" | "token" | "new_token" | "traced" | "stock";

export interface EdgeCell extends Omit<Cell, "process"> {
  readonly id: CellId;
  readonly server: ServerId;
  /** The nth request, counted from 0. */
  request(n: number): string;
}

type Requests = Pick<EdgeCell, "request" | "requests">;

const listOf = (count: number, request: Requests["request"]): string[] =>
  Array.from({ length: count }, (_, n) => request(n));

const repeated = (request: Requests["request"]): Requests => {
  const requests = listOf(DISTINCT, request);
  return { request, requests: () => requestBatch(requests, true) };
};

export const createCells = (clients: readonly Client[], issuer: TokenIssuer): readonly EdgeCell[] => {
  const withKey = repeated((n) => {
    const client = clientOf(clients, n);
    return orderRequest(n, client, client.key.key);
  });
  const tokens = new Map(clients.map((client) => [client, issuer.issue(client.name)]));
  const withToken = repeated((n) => {
    const client = clientOf(clients, n);
    return orderRequest(n, client, tokens.get(client) ?? "");
  });
  const newToken = (n: number): string => {
    const client = clientOf(clients, n);
    return orderRequest(n, client, issuer.issue(client.name));
  };
  const withNewToken: Requests = {
    request: newToken,
    requests: (count) => requestBatch(listOf(count, newToken), false),
  };
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
