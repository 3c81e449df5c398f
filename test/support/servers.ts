/** Shared by all end-to-end tests: a PostgreSQL, a Redis behind its bridge, and the edge's bundle. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { bundleEdge, type EdgeBundle } from "../../src/local/edge.ts";
import { importConditions } from "../../src/local/environment.ts";
import { erasePostgres, startPostgres } from "../../src/local/postgres.ts";
import { connectRedis, startRedis } from "../../src/local/redis.ts";
import { startUpstashBridge } from "../../src/local/upstash-bridge.ts";

export interface Servers {
  /** Its role may create databases. */
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly redisToken: string;
  readonly bundle: EdgeBundle;
}

declare module "vitest" {
  interface ProvidedContext {
    servers: Servers;
  }
}

/** Of the project's tests and of the processes that they start. */
const conditionsOf = ({ config }: TestProject): string[] => importConditions(config.env["NODE_OPTIONS"]);

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const stops = new CleanupStack();
  const folder = await mkdtemp(join(tmpdir(), "breakwater-test-"));
  stops.add(() => rm(folder, { recursive: true, force: true }));
  try {
    const isExternal = project.config.env["TEST_SERVERS"] === "external";
    const bundling = bundleEdge(undefined, join(folder, "edge"), [], conditionsOf(project));
    const { TEST_DATABASE_URL = "", TEST_REDIS_URL = "" } = process.env;
    const redis = isExternal ? await connectRedis(TEST_REDIS_URL) : await startRedis();
    stops.add(() => redis.stop());
    let databaseUrl = TEST_DATABASE_URL;
    if (!isExternal) {
      const postgres = await startPostgres({
        folder: join(folder, "postgres"),
        durable: false,
        maxConnections: 200,
      });
      stops.add(() => erasePostgres(join(folder, "postgres")));
      stops.add(() => postgres.stop());
      databaseUrl = postgres.url;
    }
    const bridge = await startUpstashBridge({ client: redis.client, token: randomBytes(16).toString("hex") });
    stops.add(() => bridge.stop());
    project.provide("servers", {
      databaseUrl,
      redisUrl: bridge.url,
      redisToken: bridge.token,
      bundle: await bundling,
    });
  } catch (error) {
    await stops.runAll();
    throw error;
  }
  return () => stops.runAll();
};
