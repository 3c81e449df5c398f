/** The whole system on one machine: started from the bottom up, stopped from the top down. */
import { tour } from "../contract/api/tour.ts";
import { keysPublication } from "../origin/admin/keys/publish.ts";
import { restoreKey } from "../origin/admin/keys/store.ts";
import { publish } from "../origin/admin/publish.ts";
import { insertSampleData } from "../origin/api/sample-data.ts";
import { connectPostgres, type PostgresPool } from "../origin/db/postgres.ts";
import { createLog } from "../origin/log/log.ts";
import { connectRedis } from "../origin/redis/connect.ts";
import type { ChildExit } from "./child.ts";
import { type LocalEdge, startEdge } from "./edge.ts";
import { bundleEdge, type EdgeBundle } from "./edge-bundle.ts";
import { freePort, isPortFree } from "./free-port.ts";
import { LocalError } from "./local-error.ts";
import { type LocalOrigin, startOrigin } from "./origin.ts";
import { startPostgres } from "./postgres.ts";
import { connectRedis as connectExternalRedis, type LocalRedis, startRedis } from "./redis.ts";
import type { LocalSecrets } from "./secrets.ts";
import type { StopList } from "./stop-list.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "./telemetry/receiver.ts";
import { startUpstashBridge, type UpstashBridge } from "./upstash-bridge.ts";

export interface StackOptions {
  /** The edge's port; 0 takes a free one. */
  readonly port: number;
  readonly origins: number;
  readonly secrets: LocalSecrets;
  /** Where the embedded PostgreSQL keeps its data. */
  readonly postgresFolder: string;
  /** Servers to use instead of the embedded ones. */
  readonly external?: { readonly databaseUrl: string; readonly redisUrl: string };
  readonly redisKeyPrefix: string;
  /** Gives the start up; what has started stays until `stop`. */
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
  /** A part that ended by itself, in one line. */
  readonly onLoss: (line: string) => void;
  /** A line of a tier's log. @param source such as "origin 1" */
  readonly onLogLine: (source: string, line: string) => void;
}

export interface Stack {
  readonly edge: LocalEdge;
  readonly origins: readonly LocalOrigin[];
  readonly databaseUrl: string;
  readonly bridge: UpstashBridge;
  readonly telemetry: TelemetryReceiver;
}

/** Where a collector takes OTLP over HTTP; where that is taken, another port. */
const TELEMETRY_PORT = 4318;
/** Whoever looks at the system wants to see what has just happened, milliseconds. */
const METRIC_INTERVAL_MS = 2_000;

const receiveTelemetry = async (signal: AbortSignal): Promise<TelemetryReceiver> => {
  const port = (await isPortFree(TELEMETRY_PORT)) ? TELEMETRY_PORT : 0;
  return await startTelemetryReceiver({ port, signal });
};

const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

/** What the demonstration needs in the database: sample data, and the banner's key. */
const prepareDemo = async (pool: PostgresPool, { demoKey }: LocalSecrets): Promise<void> => {
  await insertSampleData(pool);
  const { id, hash } = demoKey;
  // A demonstration's key that was revoked for the sake of the demonstration is valid again at the next start.
  await restoreKey(
    pool,
    { id, hash, principal: tour.principal, scopes: tour.scopes, expiresAtMs: null },
    "demo",
  );
};

interface Backing {
  readonly databaseUrl: string;
  readonly redis: LocalRedis;
}

const startBacking = async (options: StackOptions, stops: StopList): Promise<Backing> => {
  const { signal, onStep, external } = options;
  const sinceMs = performance.now();
  if (external !== undefined) {
    const redis = await connectExternalRedis(external.redisUrl, { signal });
    stops.add(() => redis.stop());
    onStep(`Redis ${redis.version} (external)`);
    return { databaseUrl: external.databaseUrl, redis };
  }
  const [postgres, redis] = await startBoth(options, stops);
  onStep(`PostgreSQL ${postgres.version} on 127.0.0.1:${postgres.port} (${seconds(sinceMs)})`);
  onStep(`Redis: ${redis.kind} ${redis.version}`);
  return { databaseUrl: postgres.url, redis };
};

/** Has a part stopped with the others, and tells where it ends before. */
const watch = (
  name: string,
  part: { readonly exited: Promise<ChildExit>; stop(): Promise<void> },
  stops: StopList,
  onLoss: (line: string) => void,
): void => {
  let isStopping = false;
  stops.add(() => {
    isStopping = true;
    return part.stop();
  });
  void part.exited.then(({ code, signal }) => {
    if (!isStopping) onLoss(`${name} has ended by itself (${signal ?? `exit ${code}`})`);
  });
};

/** Both at once; where one fails, the other is stopped as well. */
const startBoth = async ({ signal, postgresFolder, onStep, onLoss }: StackOptions, stops: StopList) => {
  const postgres = startPostgres({ folder: postgresFolder, signal, onNotice: onStep });
  const redis = startRedis({ signal, onNotice: onStep });
  const results = await Promise.allSettled([
    postgres.then((part) => watch("PostgreSQL", part, stops, onLoss)),
    redis.then((part) => watch("Redis", part, stops, onLoss)),
  ]);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return await Promise.all([postgres, redis]);
};

/** @throws LocalError, or the signal's reason; `stops` holds what has to be stopped then */
export const startStack = async (options: StackOptions, stops: StopList): Promise<Stack> => {
  const { secrets, signal, onStep, onLogLine, redisKeyPrefix } = options;
  const sinceMs = performance.now();
  const bundling = bundleEdge(signal);
  bundling.catch(() => undefined);
  stops.add(() => bundling);
  // First, so that it is stopped last: it takes what the others have to tell at their end.
  const telemetry = await receiveTelemetry(signal);
  stops.add(() => telemetry.stop());
  const { databaseUrl, redis } = await startBacking(options, stops);

  const bridge = await startUpstashBridge({ client: redis.client, token: secrets.redisToken });
  stops.add(() => bridge.stop());
  const shared = {
    SIGNING_KEYS: secrets.signingKeys,
    REDIS_KEY_PREFIX: redisKeyPrefix,
    OTEL_EXPORTER_OTLP_ENDPOINT: telemetry.url,
  };
  const environment = {
    ...shared,
    DATABASE_URL: databaseUrl,
    REDIS_URL: bridge.url,
    REDIS_TOKEN: bridge.token,
  };
  const origins = await startOrigins(options, environment, stops);

  const log = createLog("silent");
  const pool = connectPostgres(databaseUrl, { maxConnections: 2, log });
  try {
    await prepareDemo(pool, secrets);
    const redis = connectRedis(bridge.url, bridge.token, log);
    await publish(keysPublication, { pool, redis, keyPrefix: redisKeyPrefix });
  } finally {
    await pool.close();
  }

  const bundle: EdgeBundle = await bundling;
  onStep(`edge bundled, as wrangler deploy would upload it (${seconds(sinceMs)})`);
  signal.throwIfAborted();
  const edge = await startEdge({
    bundle,
    port: options.port,
    environment: {
      ...shared,
      ORIGINS: origins.map(({ url }) => url).join(","),
      UPSTASH_REDIS_REST_URL: bridge.url,
      UPSTASH_REDIS_REST_TOKEN: bridge.token,
      // Every trace is kept: on a laptop there are few.
      OTEL_TRACES_SAMPLER_ARG: "1",
      OTEL_METRIC_EXPORT_INTERVAL: String(METRIC_INTERVAL_MS),
    },
    onLine: (line) => onLogLine("edge", line),
  });
  stops.add(() => edge.stop());
  onStep(`edge runs in miniflare on ${edge.url}`);
  return { edge, origins, databaseUrl, bridge, telemetry };
};

const startOrigins = async (
  { origins, signal, onStep, onLoss, onLogLine }: StackOptions,
  environment: Readonly<Record<string, string>>,
  stops: StopList,
): Promise<LocalOrigin[]> => {
  const sinceMs = performance.now();
  const starts = Array.from({ length: origins }, async (_, index) => {
    const name = `origin ${index + 1}`;
    const onLine = (line: string): void => onLogLine(name, line);
    const origin = await startOrigin({ name, port: await freePort(), environment, signal, onLine });
    watch(name, origin, stops, onLoss);
    return origin;
  });
  const results = await Promise.allSettled(starts);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  const started = await Promise.all(starts);
  for (const { name, url } of started) onStep(`${name} ${url} (${seconds(sinceMs)})`);
  return started;
};

/** @throws LocalError that names what is missing or wrong */
export const externalFrom = (environment: NodeJS.ProcessEnv): { databaseUrl: string; redisUrl: string } => {
  const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl } = environment;
  if (!databaseUrl || !redisUrl) {
    throw new LocalError("--external needs DATABASE_URL and REDIS_URL in the environment");
  }
  return { databaseUrl, redisUrl };
};
