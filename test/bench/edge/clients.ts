/** Who asks: so many clients, each with an address and a key of its own, and what they ask. */
import { createKey } from "../../../src/middleware/auth/api-key.ts";
import { seededRandom } from "../pool/seeded-random.ts";
import { rawRequest } from "../support/request-batch.ts";

export const CLIENTS = 64;
/** One client in so many has an IPv6 address. */
const IPV6_IN = 4;
/** Each client asks for so many orders in turn. */
const ORDERS_A_CLIENT = 8;
/** More than any server answers: the limits are kept and asked, and refuse nobody. */
export const OVERRIDE = { capacity: 1_000_000, refillPerSecond: 100_000 } as const;

/** What an order may be read with. */
export const SCOPES: readonly string[] = ["orders:read", "orders:write"];
/** The limit of the route that is asked. */
export const LIMIT = "account";

export interface Client {
  readonly name: string;
  readonly address: string;
  readonly key: ReturnType<typeof createKey>;
}

/** Addresses for documentation (RFC 5737, RFC 3849), which no blocklist of this benchmark holds. */
const addressOf = (index: number): string =>
  index % IPV6_IN === 0 ? `2001:db8:${index.toString(16)}::7` : `203.0.113.${index + 1}`;

export const createClients = (): Client[] =>
  Array.from({ length: CLIENTS }, (_, index) => ({
    name: `client-${index}`,
    address: addressOf(index),
    key: createKey((bytes) => crypto.getRandomValues(bytes)),
  }));

const random = seededRandom(1);
const hexadecimal = (length: number): string =>
  Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join("");

const orderId = (): string => `01900000-0000-7000-8000-${hexadecimal(12)}`;
const paths = Array.from({ length: CLIENTS * ORDERS_A_CLIENT }, () => `/v1/orders/${orderId()}`);

/** How many requests there are before one is made again. */
export const DISTINCT = paths.length;

/** The nth one's client, counted from 0. */
export const clientOf = (clients: readonly Client[], n: number): Client => {
  const client = clients[n % clients.length];
  if (client === undefined) throw new RangeError("nobody asks");
  return client;
};

/** A request for an order, with ten fields. */
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
