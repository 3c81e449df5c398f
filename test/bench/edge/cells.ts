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
  /** A request of each client. */
  readonly probes: readonly string[];
}

type Requests = Pick<EdgeCell, "probes" | "requests">;

export const createCells = async (
  clients: readonly Client[],
  issuer: TokenIssuer,
): Promise<readonly EdgeCell[]> => {
  const requestsWith = async (
    count: number,
    tokenOf: (client: Client) => string | Promise<string>,
  ): Promise<string[]> => {
    const requests: string[] = [];
    for (let n = 0; n < count; n += 1) {
      const client = clientOf(clients, n);
      requests.push(orderRequest(n, client, await tokenOf(client)));
    }
    return requests;
  };
  const repeated = async (tokenOf: (client: Client) => string | Promise<string>): Promise<Requests> => {
    const requests = await requestsWith(DISTINCT, tokenOf);
    return { probes: requests.slice(0, clients.length), requests: () => requestBatch(requests, true) };
  };
  const issue = ({ name }: Client): Promise<string> => issuer.issue(name);
  const tokens = new Map<Client, string>();
  for (const client of clients) tokens.set(client, await issue(client));
  const withKey = await repeated(({ key }) => key.key);
  const withToken = await repeated((client) => tokens.get(client) ?? "");
  const withNewToken: Requests = {
    probes: await requestsWith(clients.length, issue),
    requests: async (count) => requestBatch(await requestsWith(count, issue), false),
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
