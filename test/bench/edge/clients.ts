/** The clients, each with its own address and key, and their requests. */
import { createKey } from "../../../src/middleware/auth/api-keys.ts";
import { seededRandom } from "../../resilience/concurrency-limit/support/random.ts";
import { rawRequest } from "../support/request-batch.ts";

export const CLIENTS = 64;
/** Every nth client has an IPv6 address. */
const IPV6_IN = 4;
/** Different orders that each client requests in turn. */
const ORDERS_A_CLIENT = 8;
/** Above what any server can handle: limits are enforced but reject no request. */
export const OVERRIDE = { capacity: 1_000_000, refillPerSecond: 100_000 } as const;

/** The override of the client that is over its limit. */
export const EXHAUSTED = { capacity: 1, refillPerSecond: 0.001 } as const;

/** The scopes of every key and token; reading an order needs the first. */
export const SCOPES: readonly string[] = ["orders:read", "orders:write"];
/** The limit of the requested route. */
export const LIMIT = "account";

/** The share of traces that the exporting servers keep. */
export const SAMPLING_RATIO = 0.1;

export interface Client {
  readonly name: string;
  readonly address: string;
  readonly key: ReturnType<typeof createKey>;
}

/** Addresses for documentation (RFC 5737, RFC 3849), which are on no blocklist of this benchmark. */
const addressOf = (index: number): string =>
  index % IPV6_IN === 0 ? `2001:db8:${index.toString(16)}::7` : `203.0.113.${index + 1}`;

const createClient = (name: string, address: string): Client => ({
  name,
  address,
  key: createKey((bytes) => crypto.getRandomValues(bytes)),
});

export const createClients = (): Client[] =>
  Array.from({ length: CLIENTS }, (_, index) => createClient(`client-${index}`, addressOf(index)));

/** Its only token is taken before the measurement. */
export const limitedClient = createClient("limited", "198.51.100.9");

/** A key with the client's key id and another secret. */
export const wrongKeyOf = ({ key }: Client): string => {
  const other = createKey((bytes) => crypto.getRandomValues(bytes));
  return other.key.replace(other.id, key.id);
};

const random = seededRandom(1);
const hexadecimal = (length: number): string =>
  Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join("");

const orderId = (): string => `01900000-0000-7000-8000-${hexadecimal(12)}`;
const paths = Array.from({ length: CLIENTS * ORDERS_A_CLIENT }, () => `/v1/orders/${orderId()}`);

/** Number of different requests. */
export const DISTINCT = paths.length;

/** The client of the nth request, counted from 0. */
export const clientOf = (clients: readonly Client[], n: number): Client => {
  const client = clients[n % clients.length];
  if (client === undefined) throw new RangeError("there are no clients");
  return client;
};

/** A request for an order, with ten header fields. */
export const orderRequest = (n: number, { address }: Pick<Client, "address">, token: string): string =>
  rawRequest({
    method: "GET",
    target: paths[n % paths.length] ?? "",
    headers: {
      host: "api.example.com",
      "cf-connecting-ip": address,
      "cf-ray": `${hexadecimal(16)}-FRA`,
      "x-forwarded-proto": "https",
      accept: "application/json",
      "accept-encoding": "gzip, br",
      "accept-language": "en-GB,en;q=0.8",
      "user-agent": "shop-app/4.2 (Linux; arm64)",
      authorization: `Bearer ${token}`,
      traceparent: `00-${hexadecimal(32)}-${hexadecimal(16)}-01`,
    },
  });
