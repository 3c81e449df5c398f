/** What some targets need: a database with the sample data, Redis, and an origin as a process of its own. */
import { randomBytes } from "node:crypto";
import { insertSampleData } from "#api/origin/sample-data.ts";
import type { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { freePort } from "../../src/local/free-port.ts";
import { startOrigin } from "../../src/local/origin.ts";
import { startRedis } from "../../src/local/redis.ts";
import { startUpstashBridge } from "../../src/local/upstash-bridge.ts";
import { connectPostgres } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { startOwnPostgres } from "../support/own-postgres.ts";
import type { Services } from "./target.ts";
import type { TargetEntry } from "./targets/index.ts";

/** Of both origins: an edge signs with it. */
const SIGNING_KEYS = `k:${"A".repeat(43)}=`;

/** @throws LocalError; `cleanups` stops the parts that have started */
export const servicesFor = async (
  targets: readonly Pick<TargetEntry, "needsOrigin">[],
  cleanups: CleanupStack,
): Promise<Services> => {
  if (!targets.some(({ needsOrigin }) => needsOrigin)) return {};
  const postgres = await startOwnPostgres();
  cleanups.add(() => postgres.remove());
  const pool = connectPostgres(postgres.url, { maxConnections: 1, log: createLog("silent") });
  cleanups.add(() => pool.close());
  // Each commit would wait for the disk.
  await pool.query("ALTER ROLE CURRENT_USER SET synchronous_commit = off");
  const redis = await startRedis();
  cleanups.add(() => redis.stop());
  const bridge = await startUpstashBridge({ client: redis.client, token: randomBytes(16).toString("hex") });
  cleanups.add(() => bridge.stop());
  const environment = {
    DATABASE_URL: postgres.url,
    REDIS_URL: bridge.url,
    REDIS_TOKEN: bridge.token,
    SIGNING_KEYS,
    // A thousand wrong requests of one address are what this is for.
    GUARDS: "origin",
    AUTO_BLOCK: "false",
    RATE_LIMITS: "dry-run",
    ACCESS_LOG: "false",
    SECURITY_EVENTS_ON_STDOUT: "false",
  };
  const port = await freePort();
  const origin = await startOrigin({ name: "the origin", port, environment });
  cleanups.add(() => origin.kill());
  await insertSampleData(pool);
  return { origin: { url: origin.url, environment } };
};
