/** The whole system on one machine, started from the bottom up and stopped from the top down. */
import { tour } from "../contract/api/tour.ts";
import { keysPublication } from "../origin/admin/keys/publish.ts";
import { restoreKey } from "../origin/admin/keys/store.ts";
import { publish } from "../origin/admin/publish.ts";
import { insertSampleData } from "../origin/api/sample-data.ts";
import { connectPostgres } from "../origin/db/postgres.ts";
import { createLog } from "../origin/log/log.ts";
import { connectRedis } from "../origin/redis/connect.ts";
import type { ChildExit } from "./child-process.ts";
import type { CleanupStack } from "./cleanup-stack.ts";
import { type LocalEdge, startEdge } from "./edge.ts";
import { bundleEdge } from "./edge-bundle.ts";
import { freePort, isPortFree } from "./free-port.ts";
import { LocalError } from "./local-error.ts";
import { type LocalOrigin, startOrigin } from "./origin.ts";
import { startPostgres } from "./postgres.ts";
import { connectRedis as connectExternalRedis, type LocalRedis, startRedis } from "./redis.ts";
import type { LocalSecrets } from "./state-dir.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "./telemetry/receiver.ts";
import { startUpstashBridge, type UpstashBridge } from "./upstash-bridge.ts";

export interface StackOptions {
  /** The edge's port; 0 takes a free one. */
  readonly port: number;
  readonly origins: number;
  readonly secrets: LocalSecrets;
  /** The folder of the embedded PostgreSQL. */
  readonly postgresFolder: string;
  /** Servers to use instead of the embedded ones. */
  readonly external: ExternalServers | undefined;
  readonly redisKeyPrefix: string;
  /** Cancels the start, not parts that have started. */
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
  /** Receives a line if a part exits unexpectedly. */
  readonly onLoss: (line: string) => void;
  /** Receives the log lines of both tiers. @param source such as "origin 1" */
  readonly onLogLine: (source: string, line: string) => void;
}

export interface ExternalServers {
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

export interface Stack {
  readonly edge: LocalEdge;
  readonly origins: readonly LocalOrigin[];
  readonly databaseUrl: string;
  readonly bridge: UpstashBridge;
  readonly telemetry: TelemetryReceiver;
}

/** The standard port of OTLP over HTTP; a free one if it is taken. */
const TELEMETRY_PORT = 4318;
/** Short: users want to see their last request, milliseconds. */
const METRIC_INTERVAL_MS = 2_000;

const secondsSince = (startMs: number): string => `${((performance.now() - startMs) / 1000).toFixed(1)} s`;

/** @throws LocalError, or the signal's reason; `cleanups` stops the parts that have started */
export const startStack = async (options: StackOptions, cleanups: CleanupStack): Promise<Stack> => {
  const { secrets, signal, onStep, onLogLine, redisKeyPrefix } = options;
  const startMs = performance.now();
  const bundling = bundleEdge(signal);
  bundling.catch(() => undefined);
  cleanups.add(() => bundling);
  // Starts first and stops last: it receives the telemetry of the others' shutdown.
  const telemetry = await startTelemetryReceiver({
    port: (await isPortFree(TELEMETRY_PORT)) ? TELEMETRY_PORT : 0,
  });
  cleanups.add(() => telemetry.stop());
  const { databaseUrl, redis } = await startStores(options, cleanups);
  const bridge = await startUpstashBridge({ client: redis.client, token: secrets.redisToken });
  cleanups.add(() => bridge.stop());
  const shared = {
    SIGNING_KEYS: secrets.signingKeys,
    REDIS_KEY_PREFIX: redisKeyPrefix,
    OTEL_EXPORTER_OTLP_ENDPOINT: telemetry.url,
  };
  const origins = await startOrigins(
    options,
    { ...shared, DATABASE_URL: databaseUrl, REDIS_URL: bridge.url, REDIS_TOKEN: bridge.token },
    cleanups,
  );
  await prepareDemo(options, databaseUrl, bridge);

  const bundle = await bundling;
  onStep(`edge bundled, as wrangler deploy would upload it (${secondsSince(startMs)})`);
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
  onStep(`edge runs in miniflare on ${edge.url}`);
  return { edge, origins, databaseUrl, bridge, telemetry };
};

const startStores = async (
  options: StackOptions,
  cleanups: CleanupStack,
): Promise<{ readonly databaseUrl: string; readonly redis: LocalRedis }> => {
  const { signal, postgresFolder, onStep, external } = options;
  const startMs = performance.now();
  if (external !== undefined) {
    const redis = await connectExternalRedis(external.redisUrl);
    cleanups.add(() => redis.stop());
    onStep(`Redis ${redis.version} (external)`);
    return { databaseUrl: external.databaseUrl, redis };
  }
  const starts = [
    startPostgres({ folder: postgresFolder, signal, onNotice: onStep }).then((part) => {
      watch("PostgreSQL", part, options, cleanups);
      return part;
    }),
    startRedis({ signal }).then((part) => {
      watch("Redis", part, options, cleanups);
      return part;
    }),
  ] as const;
  // Only after both have settled are the cleanups complete.
  await Promise.allSettled(starts);
  const [postgres, redis] = await Promise.all(starts);
  onStep(`PostgreSQL ${postgres.version} on 127.0.0.1:${postgres.port} (${secondsSince(startMs)})`);
  onStep(`Redis: ${redis.kind} ${redis.version}`);
  return { databaseUrl: postgres.url, redis };
};

const startOrigins = async (
  options: StackOptions,
  environment: Readonly<Record<string, string>>,
  cleanups: CleanupStack,
): Promise<LocalOrigin[]> => {
  const { signal, onStep, onLogLine } = options;
  const startMs = performance.now();
  const start = async (index: number): Promise<LocalOrigin> => {
    const name = `origin ${index + 1}`;
    const onLine = (line: string): void => onLogLine(name, line);
    const origin = await startOrigin({ name, port: await freePort(), environment, signal, onLine });
    watch(name, origin, options, cleanups);
    return origin;
  };
  const starts = Array.from({ length: options.origins }, (_, index) => start(index));
  await Promise.allSettled(starts);
  const origins = await Promise.all(starts);
  for (const { name, url } of origins) onStep(`${name} ${url} (${secondsSince(startMs)})`);
  return origins;
};

/** Registers the part's cleanup, and reports an exit before it. */
const watch = (
  name: string,
  part: { readonly exited: Promise<ChildExit>; stop(): Promise<void> },
  { onLoss }: StackOptions,
  cleanups: CleanupStack,
): void => {
  let isStopping = false;
  cleanups.add(() => {
    isStopping = true;
    return part.stop();
  });
  void part.exited.then(({ code, signal }) => {
    if (!isStopping) onLoss(`${name} has exited unexpectedly (${signal ?? `exit code ${code}`})`);
  });
};

/** Inserts the sample data and the banner's key, which is valid again even if it was revoked. */
const prepareDemo = async (
  { secrets: { demoKey }, redisKeyPrefix: keyPrefix }: StackOptions,
  databaseUrl: string,
  bridge: UpstashBridge,
): Promise<void> => {
  const log = createLog("silent");
  const pool = connectPostgres(databaseUrl, { maxConnections: 2, log });
  try {
    await insertSampleData(pool);
    const { id, hash } = demoKey;
    const { principal, scopes } = tour;
    await restoreKey(pool, { id, hash, principal, scopes, expiresAtMs: null }, "demo");
    await publish(keysPublication, { pool, redis: connectRedis(bridge.url, bridge.token, log), keyPrefix });
  } finally {
    await pool.close();
  }
};

/** @throws LocalError if a variable is missing */
export const externalServers = (environment: NodeJS.ProcessEnv): ExternalServers => {
  const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl } = environment;
  if (databaseUrl && redisUrl) return { databaseUrl, redisUrl };
  throw new LocalError("--external needs DATABASE_URL and REDIS_URL in the environment");
};
