/** Opens the page of the system that `npm start` has started. */
import { tour as apiTour } from "#api/contract/tour.ts";
import { connectPostgres } from "../../origin/db/postgres.ts";
import { createLog } from "../../origin/log/log.ts";
import { connectRedis } from "../../origin/redis/store.ts";
import type { CleanupStack } from "../cleanup-stack.ts";
import type { Door } from "../door.ts";
import type { LocalEdge } from "../edge.ts";
import { allFaults, readsOf, type StruckOrigin } from "../faults/all-faults.ts";
import { createFaults } from "../faults/faults.ts";
import { createLoad } from "../faults/load.ts";
import type { LocalSiem } from "../faults/siem.ts";
import { createLogFormat } from "../log-format.ts";
import type { LocalRedis } from "../redis.ts";
import type { LocalSecrets } from "../state-dir.ts";
import type { Supervisor } from "../supervisor.ts";
import type { TelemetryReceiver } from "../telemetry/receiver.ts";
import type { UpstashBridge } from "../upstash-bridge.ts";
import { accepts, answersHttp, answersPostgres, type Check } from "./collect.ts";
import { createPage } from "./page.ts";
import { createRequests, type LogLine } from "./requests.ts";
import { createTour } from "./tour.ts";

export interface SupervisedOrigin extends StruckOrigin {
  readonly supervisor: Supervisor;
}

interface OpenOptions {
  readonly secrets: LocalSecrets;
  readonly keyPrefix: string;
  readonly print: (line: string) => void;
  readonly edge: LocalEdge;
  readonly origins: readonly SupervisedOrigin[];
  readonly databaseUrl: string;
  readonly redis: LocalRedis;
  readonly bridge: UpstashBridge;
  readonly telemetry: TelemetryReceiver;
  readonly siem: LocalSiem;
  /** The one to PostgreSQL is absent if its server is not of this system. */
  readonly doors: Readonly<Record<"redis" | "collector" | "siem", Door>> & {
    readonly postgres: Door | undefined;
  };
  readonly logs: readonly LogLine[];
}

/** Of the clients of the load, each with its own address. */
const CLIENTS = 200;
const SIZES = 50;
/** Of the load's requests, every second one is with the demo key, within its limit. */
const MAX_WITH_KEY = 20;

/** Reads without a key from many addresses, and some with the demo key, which no cache answers. */
const requestsOf = (demoKey: string, rate: () => number) => (index: number) => {
  const reads = readsOf(apiTour);
  const isWithKey = index % Math.max(2, Math.ceil(rate() / MAX_WITH_KEY)) === 0;
  // Pages of other sizes are other responses, which no cache has yet.
  const other = `$1${1 + (index % SIZES)}`;
  const path = (isWithKey ? reads.at(-1) : reads[0]?.replace(/([?&]limit=)\d+/, other)) ?? "/";
  const client = { "x-local-client": `10.77.0.${1 + (index % CLIENTS)}` };
  return { path, headers: isWithKey ? { ...client, authorization: `Bearer ${demoKey}` } : client };
};

const pings =
  ({ url }: Door, token: string): Check =>
  async (signal) => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(url, { method: "POST", body: '["PING"]', headers, signal });
    return response.ok;
  };

/** @returns the page, which ends before the parts that it reads */
export const openPage = async (options: OpenOptions, cleanups: CleanupStack) => {
  const { edge, origins, databaseUrl, redis, bridge, telemetry, siem, doors, logs, print } = options;
  const demoKey = options.secrets.demoKey.key;
  const silent = createLog("silent");
  const pool = connectPostgres(databaseUrl, { maxConnections: 3, log: silent });
  cleanups.add(() => pool.close());
  // Through the door: while Redis is away, nothing is known of its buckets.
  const store = connectRedis(doors.redis.url, bridge.token, silent);
  cleanups.add(() => store.close());

  const edgeUrl = (): string => edge.url;
  const isOwn = redis.kind !== "external";
  const all = await allFaults({
    ...{ edgeUrl, tour: apiTour, demoKey, origin: origins[0] },
    ...{ collector: doors.collector, siem: doors.siem },
    redis: isOwn ? { door: doors.redis, client: redis.client } : undefined,
    postgres: doors.postgres === undefined ? undefined : { door: doors.postgres, pool },
  });
  const tour = createTour();
  const faults = createFaults(all, (name, isOn) => {
    print(`  ${isOn ? "!" : "✓"} fault ${name} ${isOn ? "on" : "off"}`);
    if (isOn) tour.begin(name);
  });
  const load = createLoad(
    edgeUrl,
    requestsOf(demoKey, () => load.requestsPerSecond),
  );
  const watched = origins.map(({ name, door, present }) => ({
    ...{ name, url: present().url, authority: new URL(door.url).host },
    adminUrl: () => present().adminUrl,
  }));
  const originOf = (port: string): string | undefined =>
    watched.find(({ authority }) => authority.endsWith(`:${port}`))?.name;
  const postgresUrl = doors.postgres?.url ?? databaseUrl;
  const { port: postgresPort } = new URL(databaseUrl);
  const page = createPage({
    ...{ faults, load, tour, examplePath: readsOf(apiTour)[0] ?? "/" },
    requests: createRequests({
      ...{ edgeUrl: edge.url, demoKey, traces: telemetry.traces, logs, originOf },
      format: createLogFormat(false),
    }),
    system: {
      ...{ edgeUrl: edge.url, origins: watched, siem, database: pool, redis: store },
      ...{ metrics: telemetry.metrics, traces: telemetry.traces, keyPrefix: options.keyPrefix },
      parts: [
        { name: "clients", kind: "clients", detail: "of the load", check: async () => true },
        { name: "edge", kind: "edge", detail: edge.url, check: accepts(edge.url) },
        {
          ...{ name: "postgres", kind: "postgres", detail: `port ${postgresPort || 5_432}` },
          check: answersPostgres(postgresUrl),
        },
        {
          ...{ name: "redis", kind: "redis", detail: `${redis.kind} ${redis.version}` },
          check: pings(doors.redis, bridge.token),
        },
        {
          ...{ name: "collector", kind: "collector", detail: telemetry.url },
          check: answersHttp(`${doors.collector.url}/style.css`),
        },
        { name: "siem", kind: "siem", detail: siem.url, check: answersHttp(doors.siem.url) },
      ],
    },
  });
  cleanups.add(page.stop);
  return page;
};
