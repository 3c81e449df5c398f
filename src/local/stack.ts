/** The whole system on one machine, started from the bottom up and stopped from the top down. */
import { randomBytes } from "node:crypto";
import type { Hono } from "hono";
import { tour } from "#api/contract/tour.ts";
import { insertSampleData } from "#api/origin/sample-data.ts";
import { insertKey, keysPublication } from "../origin/admin/keys.ts";
import { publish } from "../origin/admin/publish.ts";
import { connectPostgres } from "../origin/db/postgres.ts";
import { createLog } from "../origin/log/log.ts";
import { connectRedis } from "../origin/redis/store.ts";
import { type ChildExit, isAlive } from "./child-process.ts";
import type { CleanupStack } from "./cleanup-stack.ts";
import { type Door, startDoor } from "./door.ts";
import { bundleEdge, type LocalEdge, startEdge } from "./edge.ts";
import { startSiem } from "./faults/siem.ts";
import { preferPort } from "./free-port.ts";
import { isSystemError } from "./local-error.ts";
import { type LocalOrigin, startOrigin } from "./origin.ts";
import { openPage, type SupervisedOrigin } from "./page/open.ts";
import type { LogLine } from "./page/requests.ts";
import { createPageRoutes, type Page } from "./page/routes.ts";
import type { LocalSecrets } from "./state-dir.ts";
import { type StoresOptions, startStores } from "./stores.ts";
import { supervise } from "./supervisor.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "./telemetry/receiver.ts";
import { startUpstashBridge, type UpstashBridge } from "./upstash-bridge.ts";

interface StackOptions extends StoresOptions {
  /** The edge's port; 0 takes a free one. */
  readonly port: number;
  readonly origins: number;
  readonly secrets: LocalSecrets;
  /** Receives the log lines of both tiers. @param source such as "origin 1" */
  readonly onLogLine: (source: string, line: string) => void;
}

export type Tier = "origins" | "edge";

export interface Stack {
  /**
   * Starts tiers again on their ports, with the present sources: the origins one after the other, so that one serves, then the
   * edge, since one with the old contract works with new origins. What does not start is reported and tried again.
   *
   * @throws LocalError with wrangler's error; the present edge goes on
   */
  restartTiers(tiers: ReadonlySet<Tier>): Promise<void>;
  readonly edge: LocalEdge;
  readonly origins: readonly LocalOrigin[];
  readonly databaseUrl: string;
  readonly bridge: UpstashBridge;
  readonly telemetry: TelemetryReceiver;
  /** For what changes something through the page. */
  readonly pageToken: string;
  /** Undoes what the page has broken. */
  readonly undoFaults: () => Promise<void>;
}

/** From the edge's port to the first of the ports for probes and metrics. */
const ADMIN_DISTANCE = 100;
const KEY_PREFIX = "breakwater:";
/** At least these of both tiers are kept. */
const MAX_LOG_LINES = 5_000;
/** The standard port of OTLP over HTTP. */
const TELEMETRY_PORT = 4318;
/** Short: users want to see their last request, milliseconds. */
const METRIC_INTERVAL_MS = 1_000;

/** @throws LocalError, or the signal's reason; `cleanups` stops the parts that have started */
export const startStack = async (options: StackOptions, cleanups: CleanupStack): Promise<Stack> => {
  const { secrets, signal, print } = options;
  const bundling = bundleEdge(signal);
  bundling.catch(() => undefined);
  cleanups.add(() => bundling);
  // Starts first and stops last, to receive the telemetry of the others' shutdown.
  const pageToken = randomBytes(18).toString("base64url");
  let page: Page | undefined;
  const telemetry = await startReceiver(createPageRoutes(() => page, pageToken));
  cleanups.add(() => telemetry.stop());
  const siem = await startSiem();
  cleanups.add(() => siem.stop());
  const { databaseUrl, redis } = await startStores(options, cleanups);
  const bridge = await startUpstashBridge({ client: redis.client, token: secrets.redisToken });
  cleanups.add(() => bridge.stop());
  const doorTo = async (url: string): Promise<Door> => {
    const door = await startDoor(url);
    cleanups.add(() => door.stop());
    return door;
  };
  const doors = {
    redis: await doorTo(bridge.url),
    collector: await doorTo(telemetry.url),
    siem: await doorTo(siem.url),
  };
  const postgresDoor = options.external ? undefined : await doorTo(databaseUrl);
  const shared = {
    SIGNING_KEYS: secrets.signingKeys,
    REDIS_KEY_PREFIX: KEY_PREFIX,
    OTEL_EXPORTER_OTLP_ENDPOINT: doors.collector.url,
  };
  const stores = {
    ...{ DATABASE_URL: postgresDoor?.url ?? databaseUrl, SIEM_URL: doors.siem.url },
    ...{ REDIS_URL: doors.redis.url, REDIS_TOKEN: bridge.token },
  };
  const logs: LogLine[] = [];
  const onLogLine: StackOptions["onLogLine"] = (source, line) => {
    logs.push({ source, line });
    if (logs.length > 2 * MAX_LOG_LINES) logs.splice(0, MAX_LOG_LINES);
    options.onLogLine(source, line);
  };
  const environment = { ...shared, ...stores };
  const origins = await startOrigins({ ...options, onLogLine }, environment, doorTo, cleanups);
  await prepareDemo(secrets, databaseUrl, bridge);

  const bundle = await bundling;
  print(`  ✓ edge bundled, as wrangler deploy would upload it`);
  signal.throwIfAborted();
  const settings = {
    bundle,
    environment: {
      ...shared,
      ORIGINS: origins.map(({ door }) => door.url).join(","),
      UPSTASH_REDIS_REST_URL: doors.redis.url,
      UPSTASH_REDIS_REST_TOKEN: bridge.token,
      // One developer's requests are few: sample all.
      OTEL_TRACES_SAMPLER_ARG: "1",
      OTEL_METRIC_EXPORT_INTERVAL: String(METRIC_INTERVAL_MS),
    },
    onLine: (line: string) => onLogLine("edge", line),
  };
  const edge = await startEdge({ ...settings, port: options.port });
  const port = Number(new URL(edge.url).port);
  const restart = async () => withExit(await startEdge({ ...settings, port }));
  const edgeSupervisor = supervise({ name: "edge", first: withExit(edge), start: restart, print });
  cleanups.add(edgeSupervisor.stop);
  print(`  ✓ edge runs in miniflare on ${edge.url}`);
  const restartTiers = async (tiers: ReadonlySet<Tier>): Promise<void> => {
    const bundlingAgain = tiers.has("edge") ? bundleEdge(signal) : undefined;
    bundlingAgain?.catch(() => undefined);
    if (tiers.has("origins")) for (const { supervisor } of origins) if (!(await supervisor.replace())) break;
    if (bundlingAgain === undefined) return;
    await bundlingAgain;
    await edgeSupervisor.replace();
  };
  const opened = await openPage(
    {
      ...{ secrets, keyPrefix: KEY_PREFIX, print, logs },
      ...{ edge, origins, databaseUrl, redis, bridge, telemetry, siem },
      doors: { ...doors, postgres: postgresDoor },
    },
    cleanups,
  );
  page = opened;
  const { clearFaults: undoFaults } = opened;
  const first = origins.map(({ present }) => present());
  return { restartTiers, edge, origins: first, databaseUrl, bridge, telemetry, pageToken, undoFaults };
};

const LOOK_MS = 500;

/** The runtime is miniflare's child process, whose exit only its id shows. */
const withExit = (edge: LocalEdge) => {
  const exit = Promise.withResolvers<ChildExit>();
  const timer = setInterval(() => {
    if (edge.pid === 0 || isAlive(edge.pid)) return;
    clearInterval(timer);
    exit.resolve({ code: null, signal: null });
  }, LOOK_MS);
  return { ...edge, exited: exit.promise };
};

/** On a free port if another program has the standard one. */
const startReceiver = (more: Hono): Promise<TelemetryReceiver> =>
  startTelemetryReceiver({ port: TELEMETRY_PORT, more }).catch((error: unknown) => {
    if (isSystemError(error, "EADDRINUSE") || isSystemError(error, "EACCES"))
      return startTelemetryReceiver({ port: 0, more });
    throw error;
  });

const startOrigins = async (
  options: StackOptions,
  environment: Readonly<Record<string, string>>,
  doorTo: (url: string) => Promise<Door>,
  cleanups: CleanupStack,
): Promise<SupervisedOrigin[]> => {
  const { signal, print, onLogLine } = options;
  /** The same at each start, if they are free; any with any port for the edge. */
  const portAfter = (distance: number) => preferPort(options.port === 0 ? 0 : options.port + distance);
  const starts = Array.from({ length: options.origins }, async (_, index) => {
    const name = `origin ${index + 1}`;
    const onLine = (line: string): void => onLogLine(name, line);
    // The edge and the banner have these ports: an origin that is started again keeps them.
    const port = await portAfter(1 + index);
    const adminPort = await portAfter(ADMIN_DISTANCE + index);
    const door = await doorTo(`http://127.0.0.1:${port}`);
    const authority = `127.0.0.1:${port},${new URL(door.url).host}`;
    const settings = { name, port, authority, adminPort, environment, onLine };
    let present = await startOrigin({ ...settings, signal });
    const start = async (stopping: AbortSignal) =>
      (present = await startOrigin({ ...settings, signal: stopping }));
    const supervisor = supervise({ name, first: present, start, print });
    cleanups.add(supervisor.stop);
    return { name, door, supervisor, present: () => present };
  });
  // Only after all have settled are the cleanups complete.
  await Promise.allSettled(starts);
  const started = await Promise.all(starts);
  for (const { name, present } of started) print(`  ✓ ${name} ${present().url}`);
  return started;
};

/** Inserts the sample data and the banner's key; a revoked key becomes valid again. */
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
