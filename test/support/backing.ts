/** A database and keys in Redis for an origin, and requests to the origin, each on its own connection. */
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import pg from "pg";
import { inject } from "vitest";
import { insertSampleData } from "#api/origin/sample-data.ts";
import { connectPostgres } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { createDatabase, dropKeys } from "./database.ts";
import { type Hold, hold } from "./locks.ts";
import { type SignedInit, signEdgeRequest } from "./signed-request.ts";

export interface Backing {
  /** For the origin. */
  readonly environment: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
  /** After an origin has migrated. @param stock of each product of the fixture @default as in the sample */
  addSampleData(stock?: number): Promise<void>;
  /** Locks a row until it is released. */
  lockProduct(id: string): Promise<Hold>;
  /** Current connections of origins to this database. */
  connections(): Promise<number>;
  /** Current statements of origins that wait for a row, but not for the advisory lock of migrations. */
  waiting(): Promise<number>;
  stop(): Promise<void>;
}

/** Its database is empty. @param server the URL of a role that may create databases @default the shared one */
export const startBacking = async (server = inject("servers").databaseUrl): Promise<Backing> => {
  const { redisUrl, redisToken } = inject("servers");
  const { url: databaseUrl, name, drop } = await createDatabase(server);
  const owner = new pg.Pool({ connectionString: server, max: 1 });
  const keyPrefix = `${name}:`;
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
      REDIS_URL: redisUrl,
      REDIS_TOKEN: redisToken,
      REDIS_KEY_PREFIX: keyPrefix,
    },
    databaseUrl,
    addSampleData: async (stock) => {
      const pool = connectPostgres(databaseUrl, { maxConnections: 1, log: createLog("silent") });
      await insertSampleData(pool);
      if (stock !== undefined) await pool.query("UPDATE products SET stock = $1", [stock]);
      await pool.close();
    },
    lockProduct: (id) => hold(databaseUrl, "SELECT FROM products WHERE id = $1 FOR UPDATE", [id]),
    connections: () => count("true"),
    waiting: () => count("wait_event_type = 'Lock' AND wait_event <> 'advisory'"),
    stop: async () => {
      await owner.end();
      await drop();
      await dropKeys(redisUrl, redisToken, keyPrefix);
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
  /** Sent exactly as written. @default the URL's */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: Uint8Array | string | undefined;
}

/** Sends a request on one of the agent's connections. */
export const sendOn = (
  agent: Agent,
  url: string,
  { headers = {}, body, ...others }: SendInit,
): Promise<Reply> => {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const sending = request(url, { ...others, headers: { ...headers }, agent }, (response) => {
    const { statusCode: status = 0 } = response;
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("error", reject);
    response.on("end", () =>
      resolve({ status, headers: response.headers, body: Buffer.concat(chunks).toString() }),
    );
  });
  sending.on("error", reject).end(body);
  return promise;
};

/** Sends a request on its own connection, which the server may keep alive. */
export const send = async (url: string, init: SendInit = {}): Promise<Reply> => {
  const agent = new Agent({ keepAlive: true });
  try {
    return await sendOn(agent, url, init);
  } finally {
    agent.destroy();
  }
};

/** Sends a request as the edge would, to an origin of `origin-process.ts`. */
export const sendSigned = async (url: string, path: string, init: SignedInit = {}): Promise<Reply> =>
  await send(`${url}${path}`, await signEdgeRequest("origin.test", { path, ...init }));

export const placeOrder = (url: string, productId: string, init: SignedInit = {}): Promise<Reply> =>
  sendSigned(url, "/v1/orders", {
    method: "POST",
    json: { lines: [{ productId, quantity: 1 }] },
    principal: "alice",
    ...init,
  });

/** A metric's series, as lines, and their sum. */
export const metric = (text: string, name: string): { readonly sum: number; readonly series: string[] } => {
  const series = text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return { sum: series.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0), series };
};
