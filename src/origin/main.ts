/** The origin's entry: the only place at the origin that reads the environment and touches globals. */
import { contract } from "../contract/contract.ts";
import { createOrigin } from "./app.ts";
import { type OriginConfiguration, readOriginConfiguration } from "./configuration.ts";
import { connectPostgres } from "./data/postgres.ts";
import { connectRedis } from "./data/redis.ts";
import { EXIT } from "./exit-codes.ts";
import { handlers } from "./handlers.ts";
import { keyPublisher, publishKeys } from "./keys/publish-keys.ts";
import { listen } from "./listen.ts";
import { createLog, type OriginLog } from "./log.ts";
import { prepareDatabase } from "./prepare.ts";
import { createProbes } from "./probes.ts";
import { createReadiness } from "./readiness.ts";
import { repeat } from "./repeat.ts";
import { NONCE_LIFETIME_S } from "./verify-edge.ts";

/** How often the published keys are compared with the database's. */
const PUBLISH_INTERVAL_MS = 2_000;
/** Requests in flight get so long when the process is told to end. */
const DRAIN_TIMEOUT_MS = 30_000;

const run = async (configuration: OriginConfiguration, log: OriginLog): Promise<void> => {
  const { DATABASE_URL, DATABASE_MAX_CONNECTIONS, REDIS_URL, REDIS_TOKEN, REDIS_KEY_PREFIX, HOST } =
    configuration;
  const now = Date.now;
  const pool = connectPostgres(DATABASE_URL, { maxConnections: DATABASE_MAX_CONNECTIONS, log });
  const redis = connectRedis(REDIS_URL, REDIS_TOKEN, log);
  const readiness = createReadiness(
    { database: async () => void (await pool.query("SELECT 1")), redis: () => redis.ping() },
    now,
  );
  const app = createOrigin({
    routes: contract,
    handlers,
    services: { database: pool },
    signingKeys: configuration.SIGNING_KEYS,
    authorities: configuration.ORIGIN_AUTHORITIES,
    readiness,
    log,
    claimNonce: (nonce) => redis.setIfAbsent(`${REDIS_KEY_PREFIX}nonce:${nonce}`, NONCE_LIFETIME_S),
    now,
  });

  const ending = new AbortController();
  const stopped = Promise.withResolvers<void>();
  const end = (signal: NodeJS.Signals): void => {
    if (ending.signal.aborted) return;
    log.info({ signal }, "draining");
    readiness.drain();
    ending.abort();
    stopped.resolve();
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);

  const api = await listen(app.fetch, { host: HOST, port: configuration.PORT });
  const admin = await listen(createProbes(readiness).fetch, { host: HOST, port: configuration.ADMIN_PORT });
  log.info({ port: api.port, adminPort: admin.port }, "listening");

  const serving = prepareDatabase(DATABASE_URL, log, ending.signal).then(async () => {
    readiness.migrated();
    log.info("ready");
    const publishing = repeat(
      keyPublisher(() => publishKeys(pool, redis, REDIS_KEY_PREFIX), log),
      PUBLISH_INTERVAL_MS,
    );
    await stopped.promise;
    await publishing.stop();
  });
  serving.catch(() => undefined);
  // A failure that waiting does not mend ends the process; the end of waiting by a signal does not.
  await Promise.race([serving, stopped.promise]);
  await api.close(DRAIN_TIMEOUT_MS);
  await admin.close(0);
  // A migration that still runs is not waited for: its transaction ends with the process.
  if (readiness.isMigrated) await serving;
  await redis.close();
  await pool.close();
  log.info("stopped");
};

const configuration = readOriginConfiguration(process.env);
if (!configuration.ok) {
  createLog("info").fatal(configuration.message);
  process.exit(EXIT.configuration);
}
const log = createLog(configuration.value.LOG_LEVEL);
process.on("uncaughtException", (error) => {
  log.fatal({ err: error }, "uncaught");
  process.exit(EXIT.failure);
});
try {
  await run(configuration.value, log);
  process.exit(EXIT.stopped);
} catch (error) {
  log.fatal({ err: error }, "the origin cannot run");
  process.exit(EXIT.failure);
}
