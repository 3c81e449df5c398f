/** What an origin needs behind it, and what a test sees there; and requests as the edge signs them. */
import { randomBytes } from "node:crypto";
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import pg from "pg";
import { inject } from "vitest";
import { contract } from "../../src/contract/contract.ts";
import { internalHeaders } from "../../src/contract/internal-headers.ts";
import { scopesOf } from "../../src/contract/route.ts";
import { writeEdgeContext } from "../../src/middleware/signature/edge-context.ts";
import { contentDigest } from "../../src/middleware/signature/sign.ts";
import { insertSampleData } from "../../src/origin/api/sample-data.ts";
import { connectPostgres } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { signed, testKey } from "../middleware/signature/signed-request.ts";
import { dropKeys } from "./drop-keys.ts";

export interface Backing {
  /** For the origin. */
  readonly environment: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
  /** Adds the sample products, once an origin has migrated. @param stock of each @default as in the sample */
  addProducts(stock?: number): Promise<void>;
  /** Locks a row until it is released. */
  lockProduct(id: string): Promise<{ release(): Promise<void> }>;
  /** Connections of origins to this database, now. */
  connections(): Promise<number>;
  /** Statements of origins that wait for a row, now. At their start origins wait for each other's advisory locks. */
  waiting(): Promise<number>;
  stop(): Promise<void>;
}

const connectTo = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url, application_name: "breakwater-test" });
  // Its database may be dropped under it.
  client.on("error", () => undefined);
  await client.connect();
  return client;
};

/** A database of its own, empty, on the shared server. */
export const startBacking = async (): Promise<Backing> => {
  const servers = inject("servers");
  const name = `breakwater_test_${randomBytes(6).toString("hex")}`;
  const keyPrefix = `${name}:`;
  const owner = await connectTo(servers.databaseUrl);
  await owner.query(`CREATE DATABASE ${name}`);
  const url = new URL(servers.databaseUrl);
  url.pathname = `/${name}`;
  const databaseUrl = url.href;
  const count = async (condition: string): Promise<number> => {
    const { rows } = await owner.query<{ count: number }>(
      `SELECT count(*)::int FROM pg_stat_activity
       WHERE datname = $1 AND application_name = 'breakwater-origin' AND ${condition}`,
      [name],
    );
    return rows[0]?.count ?? 0;
  };
  return {
    environment: {
      DATABASE_URL: databaseUrl,
      REDIS_URL: servers.redisUrl,
      REDIS_TOKEN: servers.redisToken,
      REDIS_KEY_PREFIX: keyPrefix,
    },
    databaseUrl,
    addProducts: async (stock) => {
      const pool = connectPostgres(databaseUrl, { maxConnections: 1, log: createLog("silent") });
      await insertSampleData(pool);
      if (stock !== undefined) await pool.query("UPDATE products SET stock = $1", [stock]);
      await pool.close();
    },
    lockProduct: async (id) => {
      const client = await connectTo(databaseUrl);
      await client.query("BEGIN");
      await client.query("SELECT FROM products WHERE id = $1 FOR UPDATE", [id]);
      let ending: Promise<void> | undefined;
      return {
        release: () => {
          ending ??= client.end();
          return ending;
        },
      };
    },
    connections: () => count("true"),
    waiting: () => count("wait_event_type = 'Lock' AND wait_event <> 'advisory'"),
    stop: async () => {
      await owner.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await owner.end();
      await dropKeys(servers.redisUrl, servers.redisToken, keyPrefix);
    },
  };
};

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface SendInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
}

/** On one of the agent's connections. */
export const sendOn = (
  agent: Agent,
  url: string,
  { method = "GET", headers = {}, body }: SendInit,
): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const sending = request(url, { method, headers: { ...headers }, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    sending.on("error", reject);
    sending.end(body);
  });

/** On a connection of its own that could be kept alive. */
export const send = async (url: string, init: SendInit = {}): Promise<Reply> => {
  const agent = new Agent({ keepAlive: true });
  try {
    return await sendOn(agent, url, init);
  } finally {
    agent.destroy();
  }
};

/** The authority and the key of `origin-process.ts`. */
const AUTHORITY = "origin.test";
const KEY = testKey("k", 0);

interface SignedInit {
  readonly method?: string;
  readonly json?: unknown;
  /** Who asks, with every scope. @default nobody */
  readonly principal?: string;
  /** What the edge says is left of the request's deadline, milliseconds. @default 15,000 */
  readonly timeoutMs?: number;
}

export interface EdgeRequest extends SignedInit {
  /** Without a query. */
  readonly path: string;
}

/** What the edge would send to an origin of this authority, with the key of `origin-process.ts`. */
export const signEdgeRequest = async (
  authority: string,
  { path, method = "GET", json, principal, timeoutMs = 15_000 }: EdgeRequest,
) => {
  const body = json === undefined ? undefined : new TextEncoder().encode(JSON.stringify(json));
  const fields: Record<string, string> = {
    [internalHeaders.requestId]: crypto.randomUUID(),
    [internalHeaders.context]: writeEdgeContext({
      client: "192.0.2.1",
      identity:
        principal === undefined
          ? { auth: "none" }
          : { auth: "api-key", principal: { id: principal, scopes: scopesOf(contract) } },
      timeoutMs,
      attempt: 1,
      parentSpanId: undefined,
    }),
    ...(body === undefined
      ? {}
      : { "content-type": "application/json", "content-digest": await contentDigest(body) }),
  };
  const headers = signed({
    key: KEY,
    to: { method, authority, path, query: "" },
    fields,
    nowMs: Date.now(),
    nonce: randomBytes(16).toString("base64url"),
  });
  return { method, headers: { host: authority, ...headers }, body };
};

/** As the edge would send it. @param path without a query */
export const sendSigned = async (url: string, path: string, init: SignedInit = {}): Promise<Reply> => {
  return await send(`${url}${path}`, await signEdgeRequest(AUTHORITY, { path, ...init }));
};

export const placeOrder = (url: string, productId: string): Promise<Reply> =>
  sendSigned(url, "/v1/orders", {
    method: "POST",
    json: { lines: [{ productId, quantity: 1 }] },
    principal: "alice",
  });

/** The sum of a metric's series, and how many they are. */
export const metric = (text: string, name: string): { readonly sum: number; readonly series: string[] } => {
  const series = text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return { sum: series.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0), series };
};
