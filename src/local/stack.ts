/** The whole system on one machine, started from the bottom up and stopped from the top down. */
import { join } from "node:path";
import { tour } from "../contract/api/tour.ts";
import { insertKey, keysPublication } from "../origin/admin/keys.ts";
import { publish } from "../origin/admin/publish.ts";
import { insertSampleData } from "../origin/api/sample-data.ts";
import { connectPostgres } from "../origin/db/postgres.ts";
import { createLog } from "../origin/log/log.ts";
import { connectRedis } from "../origin/redis/store.ts";
import type { ChildExit } from "./child-process.ts";
import type { CleanupStack } from "./cleanup-stack.ts";
import { bundleEdge, type LocalEdge, startEdge } from "./edge.ts";
import { freePort, isPortFree } from "./free-port.ts";
import { LocalError } from "./local-error.ts";
import { type LocalOrigin, startOrigin } from "./origin.ts";
import { startPostgres } from "./postgres.ts";
import { connectRedis as connectExternalRedis, startRedis } from "./redis.ts";
import { type LocalSecrets, stateDir } from "./state-dir.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "./telemetry/receiver.ts";
import { startUpstashBridge, type UpstashBridge } from "./upstash-bridge.ts";

export interface StackOptions {
  /** The edge's port; 0 takes a free one. */
  readonly port: number;
  readonly origins: number;
  readonly secrets: LocalSecrets;
  /** Whether to use the environment's DATABASE_URL and REDIS_URL instead of embedded servers. */
  readonly external: boolean;
  /** Cancels the start, not parts that have started. */
  readonly signal: AbortSignal;
  /** Receives a line if a part has started or exits unexpectedly. */
  readonly print: (line: string) => void;
  /** Receives the log lines of both tiers. @param source such as "origin 1" */
  readonly onLogLine: (source: string, line: string) => void;
}

export interface Stack {
  readonly edge: LocalEdge;
  readonly origins: readonly LocalOrigin[];
  readonly databaseUrl: string;
  readonly bridge: UpstashBridge;
  readonly telemetry: TelemetryReceiver;
}

export const postgresFolder = join(stateDir, "postgres");

const KEY_PREFIX = "breakwater:";
/** The standard port of OTLP over HTTP; a free one if it is taken. */
const TELEMETRY_PORT = 4318;
/** Short: users want to see their last request, milliseconds. */
const METRIC_INTERVAL_MS = 2_000;

/** @throws LocalError, or the signal's reason; `cleanups` stops the parts that have started */
export const startStack = async (options: StackOptions, cleanups: CleanupStack): Promise<Stack> => {
  const { secrets, signal, print, onLogLine } = options;
  const bundling = bundleEdge(signal);
  bundling.catch(() => undefined);
  cleanups.add(() => bundling);
  // Starts first and stops last: it receives the telemetry of the others' shutdown.
  const telemetryPort = (await isPortFree(TELEMETRY_PORT)) ? TELEMETRY_PORT : 0;
  const telemetry = await startTelemetryReceiver({ port: telemetryPort });
  cleanups.add(() => telemetry.stop());
  const { databaseUrl, redis } = await startStores(options, cleanups);
  const bridge = await startUpstashBridge({ client: redis.client, token: secrets.redisToken });
  cleanups.add(() => bridge.stop());
  const shared = {
    SIGNING_KEYS: secrets.signingKeys,
    REDIS_KEY_PREFIX: KEY_PREFIX,
    OTEL_EXPORTER_OTLP_ENDPOINT: telemetry.url,
  };
  const stores = { DATABASE_URL: databaseUrl, REDIS_URL: bridge.url, REDIS_TOKEN: bridge.token };
  const origins = await startOrigins(options, { ...shared, ...stores }, cleanups);
  await prepareDemo(secrets, databaseUrl, bridge);

  const bundle = await bundling;
  print(`  ✓ edge bundled, as wrangler deploy would upload it`);
  signal.throwIfAborted();
  const edge = await startEdge({
    bundle,
    port: options.port,
    environment: {
      ...shared,
      ORIGINS: origins.map(({ url }) => url).join(","),
      UPSTASH_REDIS_REST_URL: bridge.url,
      UPSTASH_REDIS_REST_TOKEN: bridge.token,
      // On a laptop there are few traces: keep all.
      OTEL_TRACES_SAMPLER_ARG: "1",
      OTEL_METRIC_EXPORT_INTERVAL: String(METRIC_INTERVAL_MS),
    },
    onLine: (line) => onLogLine("edge", line),
  });
  cleanups.add(() => edge.stop());
  print(`  ✓ edge runs in miniflare on ${edge.url}`);
  return { edge, origins, databaseUrl, bridge, telemetry };
};

/** @throws LocalError if a variable for external servers is missing */
const startStores = async (options: StackOptions, cleanups: CleanupStack) => {
  const { signal, print } = options;
  if (options.external) {
    const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl } = process.env;
    if (!databaseUrl || !redisUrl)
      throw new LocalError("--external needs DATABASE_URL and REDIS_URL in the environment");
    const redis = await watch("Redis", connectExternalRedis(redisUrl), options, cleanups);
    print(`  ✓ Redis ${redis.version} (external)`);
    return { databaseUrl, redis };
  }
  const redis = await watch("Redis", startRedis({ signal }), options, cleanups);
  print(`  ✓ Redis: ${redis.kind} ${redis.version}`);
  const onNotice = (line: string): void => print(`  ✓ ${line}`);
  const starting = startPostgres({ folder: postgresFolder, signal, onNotice });
  const postgres = await watch("PostgreSQL", starting, options, cleanups);
  print(`  ✓ PostgreSQL ${postgres.version} on 127.0.0.1:${postgres.port}`);
  return { databaseUrl: postgres.url, redis };
};

const startOrigins = async (
  options: StackOptions,
  environment: Readonly<Record<string, string>>,
  cleanups: CleanupStack,
): Promise<LocalOrigin[]> => {
  const { signal, print, onLogLine } = options;
  const starts = Array.from({ length: options.origins }, async (_, index) => {
    const name = `origin ${index + 1}`;
    const onLine = (line: string): void => onLogLine(name, line);
    const starting = startOrigin({ name, port: await freePort(), environment, signal, onLine });
    return await watch(name, starting, options, cleanups);
  });
  // Only after all have settled are the cleanups complete.
  await Promise.allSettled(starts);
  const origins = await Promise.all(starts);
  for (const { name, url } of origins) print(`  ✓ ${name} ${url}`);
  return origins;
};

/** Registers the part's cleanup once it has started, and reports an exit before it. */
const watch = async <Part extends { readonly exited: Promise<ChildExit>; stop(): Promise<void> }>(
  name: string,
  starting: Promise<Part>,
  { print }: StackOptions,
  cleanups: CleanupStack,
): Promise<Part> => {
  const part = await starting;
  let isStopping = false;
  cleanups.add(() => {
    isStopping = true;
    return part.stop();
  });
  void part.exited.then(({ code, signal }) => {
    if (!isStopping) print(`  ! ${name} has exited unexpectedly (${signal ?? `exit code ${code}`})`);
  });
  return part;
};

/** Inserts the sample data and the banner's key, which is valid again even if it was revoked. */
const prepareDemo = async (
  { demoKey: { id, hash } }: LocalSecrets,
  databaseUrl: string,
  bridge: UpstashBridge,
): Promise<void> => {
  const log = createLog("silent");
  const pool = connectPostgres(databaseUrl, { maxConnections: 2, log });
  try {
    await insertSampleData(pool);
    const { principal, scopes } = tour;
    await insertKey(pool, { id, hash, principal, scopes, expiresAtMs: null }, "demo");
    const redis = connectRedis(bridge.url, bridge.token, log);
    await publish(keysPublication, { pool, redis, keyPrefix: KEY_PREFIX });
  } finally {
    await pool.close();
  }
};
