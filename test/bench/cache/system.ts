/** Two origins on one PostgreSQL and one Redis, and the edge in front of them, with a count of database reads. */

import { sampleProductId } from "#api/origin/sample-data.ts";
import { bundleEdge, startEdge } from "../../../src/local/edge.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { type LocalOrigin, startOrigin } from "../../../src/local/origin.ts";
import { connectPostgres, type PostgresPool } from "../../../src/origin/db/postgres.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { countProductReads } from "../../support/products.ts";
import { insertProducts } from "../origin/products.ts";
import { createSigningKeys, sealedRequest } from "../origin/sealed-request.ts";
import { type BenchOptions, createFolder } from "../support/bench.ts";
import { exchange } from "../support/exchange.ts";
import { startServices } from "../support/services.ts";
import { startStore } from "../support/store.ts";

export interface CacheSystem {
  readonly origins: readonly LocalOrigin[];
  readonly signingKeys: string;
  readonly databaseUrl: string;
  readonly pool: PostgresPool;
  /** Servers and versions. */
  readonly description: string;
  /** Reads of single products so far, counted by the database. */
  reads(): Promise<number>;
  /** The status of a product at one origin, requested as by the edge. */
  readAt(origin: number, product: number): Promise<number>;
  /** The same through the edge. */
  readThrough(product: number): Promise<number>;
}

const ORIGINS = 2;

const portOf = ({ url }: LocalOrigin): number => Number(new URL(url).port);

/** @throws LocalError if a part does not start */
export const startCacheSystem = async (options: BenchOptions): Promise<CacheSystem> => {
  const { signal, stops, onProgress } = options;
  const services = await startServices(options);
  onProgress("starting two origins and the edge …");
  const signingKeys = createSigningKeys();
  const shared = { SIGNING_KEYS: signingKeys };
  const origins: LocalOrigin[] = [];
  for (let n = 1; n <= ORIGINS; n += 1) {
    const origin = await startOrigin({
      name: `origin ${n}`,
      port: await freePort(),
      environment: { ...shared, DATABASE_URL: services.databaseUrl, REDIS_URL: services.redisUrl },
      signal,
    });
    stops.add(() => origin.stop());
    origins.push(origin);
  }
  await insertProducts(services.databaseUrl);
  const pool = connectPostgres(services.databaseUrl, { maxConnections: 2, log: createLog("silent") });
  stops.add(() => pool.close());
  const reads = await countProductReads(pool);

  const folder = await createFolder(options);
  // The edge reads only keys from Redis, and public routes need none.
  const { bridge } = await startStore(options);
  const edge = await startEdge({
    bundle: await bundleEdge(signal, folder),
    port: 0,
    environment: {
      ...shared,
      ORIGINS: origins.map(({ url }) => url).join(),
      UPSTASH_REDIS_REST_URL: bridge.url,
      UPSTASH_REDIS_REST_TOKEN: bridge.token,
      RATE_LIMITS: "off",
    },
  });
  stops.add(() => edge.stop());

  const pathOf = (product: number): string => `/v1/products/${sampleProductId(product)}`;
  return {
    origins,
    signingKeys,
    databaseUrl: services.databaseUrl,
    pool,
    description: services.description,
    reads,
    readAt: async (index, product) => {
      const origin = origins[index];
      if (origin === undefined) throw new Error(`there is no origin ${index}`);
      const port = portOf(origin);
      const request = await sealedRequest(signingKeys, `127.0.0.1:${port}`, { path: pathOf(product) });
      return (await exchange(port, request)).status;
    },
    readThrough: async (product) => {
      const response = await fetch(`${edge.url}${pathOf(product)}`);
      await response.arrayBuffer();
      return response.status;
    },
  };
};
