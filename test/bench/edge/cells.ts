/** The measured cells: each is a server and the requests sent to it. */
import type { Issuer } from "../../support/issuer.ts";
import { requestBatch } from "../support/request-batch.ts";
import type { Cell } from "../support/rounds.ts";
import { BLOCKED_ADDRESSES } from "./blocked.ts";
import { type Client, clientOf, DISTINCT, limitedClient, orderRequest, SCOPES } from "./clients.ts";
import type { ServerId } from "./servers.ts";

/** `no_key`, `over_limit` and `blocked`: requests that are rejected. */
type CellId =
  | "bare"
  | "key"
  | "listed"
  | "token"
  | "new_token"
  | "no_key"
  | "over_limit"
  | "blocked"
  | "traced"
  | "stock";

export interface EdgeCell extends Omit<Cell, "process"> {
  readonly id: CellId;
  readonly server: ServerId;
  /** A request of each client. */
  readonly probes: readonly string[];
}

type Requests = Pick<EdgeCell, "probes" | "requests">;

/** Longer than a run, seconds. */
const TOKEN_LIFE_S = 3_600;

export const createCells = async (
  clients: readonly Client[],
  issuer: Issuer,
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
  const exp = Math.floor(Date.now() / 1_000) + TOKEN_LIFE_S;
  const issue = ({ name: sub }: Client): Promise<string> =>
    issuer.token({ sub, exp, scope: SCOPES.join(" "), jti: crypto.randomUUID() }, { typ: "at+jwt" });
  const tokens = new Map<Client, string>();
  for (const client of clients) tokens.set(client, await issue(client));
  const withKey = await repeated(({ key }) => key.key);
  const withToken = await repeated((client) => tokens.get(client) ?? "");
  const withNewToken: Requests = {
    probes: await requestsWith(clients.length, issue),
    requests: async (count) => requestBatch(await requestsWith(count, issue), false),
  };
  const rejected = (request: string): Requests => ({
    probes: [request],
    requests: () => requestBatch([request], true),
  });
  const anonymous = orderRequest(0, clientOf(clients, 0), "").replace(/^authorization: .*\r\n/m, "");
  const overLimit = orderRequest(0, limitedClient, limitedClient.key.key);
  const { key } = clientOf(clients, 0).key;
  const blocked = orderRequest(0, { address: BLOCKED_ADDRESSES[0] }, key);
  return [
    { id: "bare", title: "bare pass-through", server: "bare", ...withKey },
    { id: "key", title: "chain, API key", server: "edge", ...withKey },
    { id: "listed", title: "chain, API key, 100,000 blocked", server: "listed", ...withKey },
    { id: "token", title: "chain, JWT, verdict cached", server: "tokens", ...withToken },
    { id: "new_token", title: "chain, JWT, each new (ES256)", server: "tokens", ...withNewToken },
    { id: "no_key", title: "rejected: no key", server: "edge", status: 401, ...rejected(anonymous) },
    {
      id: "over_limit",
      title: "rejected: over its limit",
      server: "edge",
      status: 429,
      ...rejected(overLimit),
    },
    { id: "blocked", title: "rejected: blocked", server: "listed", status: 403, ...rejected(blocked) },
    { id: "traced", title: "chain, API key, telemetry exported", server: "traced", ...withKey },
    { id: "stock", title: "stock stack, API key, traces exported", server: "stock", ...withKey },
  ];
};
