/** The measured cells: a stage and the requests that are sent through it. Those of a group get the same requests. */
import type { Issuer } from "../../support/issuer.ts";
import { type Client, clientOf, DISTINCT, orderRequest, SCOPES } from "../edge/clients.ts";
import { rawRequest } from "../support/request-batch.ts";
import type { InterleavedCell } from "./interleaved.ts";
import { CHAIN, STAGE_FIELD, type Stage } from "./stages.ts";

/** Longer than a run, seconds. */
const TOKEN_LIFE_S = 3_600;
const WRITE_BYTES = 1_024;

type RequestOf = (n: number) => string | Promise<string>;

/** With the field that selects the stage, before the others. */
export const atStage = (request: string, stage: Stage): string =>
  request.replace("\r\n", `\r\n${STAGE_FIELD}: ${stage}\r\n`);

const makeRequests = async (count: number, stage: Stage, requestOf: RequestOf): Promise<string[]> => {
  const requests: string[] = [];
  for (let n = 0; n < count; n += 1) requests.push(atStage(await requestOf(n), stage));
  return requests;
};

/** An order that fails validation only at the origin. */
export const writeRequest = ({ address, key: { key } }: Client, bytes = WRITE_BYTES): string =>
  rawRequest({
    method: "POST",
    target: "/v1/orders",
    headers: {
      host: "api.example.com",
      "cf-connecting-ip": address,
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
    },
    body: JSON.stringify("x".repeat(bytes - 2)),
  });

const productRequest = (n: number, { address }: Client): string =>
  rawRequest({
    method: "GET",
    target: `/v1/products/01900000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`,
    headers: {
      host: "api.example.com",
      "cf-connecting-ip": address,
      accept: "application/json",
      "accept-encoding": "gzip, br",
      "accept-language": "en-GB,en;q=0.8",
      "user-agent": "shop-app/4.2 (Linux; arm64)",
    },
  });

export const createCells = async (
  clients: readonly Client[],
  issuer: Issuer,
): Promise<readonly (readonly InterleavedCell[])[]> => {
  const exp = Math.floor(Date.now() / 1_000) + TOKEN_LIFE_S;
  const issue = ({ name: sub }: Client): Promise<string> =>
    issuer.token({ sub, exp, scope: SCOPES.join(" "), jti: crypto.randomUUID() }, { typ: "at+jwt" });
  const tokens = await Promise.all(clients.map(issue));

  const withKey: RequestOf = (n) => orderRequest(n, clientOf(clients, n), clientOf(clients, n).key.key);
  const withToken: RequestOf = (n) => orderRequest(n, clientOf(clients, n), tokens[n % clients.length] ?? "");
  const withNewToken: RequestOf = async (n) =>
    orderRequest(n, clientOf(clients, n), await issue(clientOf(clients, n)));
  const write: RequestOf = (n) => writeRequest(clientOf(clients, n));
  const product: RequestOf = (n) => productRequest(n, clientOf(clients, n));

  const cell = async (id: string, stage: Stage, requestOf: RequestOf): Promise<InterleavedCell> => {
    const texts = await makeRequests(DISTINCT, stage, requestOf);
    return { id, texts: () => texts };
  };
  const chain: InterleavedCell[] = [];
  for (const stage of CHAIN) chain.push(await cell(stage, stage, withKey));
  const newToken: InterleavedCell = {
    id: "new_token",
    texts: (count) => makeRequests(count, "auth", withNewToken),
  };
  return [
    chain,
    [await cell("no_token", "routePolicy", withToken), await cell("token", "auth", withToken), newToken],
    [await cell("unread", "rateLimit", write), await cell("read", "bodyLimit", write)],
    [
      await cell("uncached", "bodyLimit", product),
      await cell("forwarded", "origin", product),
      await cell("miss", "miss", product),
      await cell("hit", "hit", product),
    ],
  ];
};
