/**
 * Prometheus itself watches the whole system with the rules that are shipped, while it is well and while it is broken: what
 * the dashboards ask for is there, and the alerts fire.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { freePort } from "../../src/local/free-port.ts";
import { erasePostgres, type LocalPostgres, startPostgres } from "../../src/local/postgres.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../src/local/telemetry/receiver.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { dashboardFiles, expressionsOf, readDashboard } from "../observability/dashboard-files.ts";
import { metricNamesIn } from "../observability/expression.ts";
import { alerts, recordingRules, ruleFiles } from "../observability/rule-files.ts";
import { type Door, startDoor } from "../support/door.ts";
import {
  hasPrometheus,
  isPrometheusRequired,
  type Prometheus,
  startPrometheus,
} from "../support/prometheus.ts";
import { type System, startSystem } from "../support/system.ts";

/** Some rules look at five minutes, and then wait for as long; one is evaluated each five minutes. */
const TIMEOUT_MS = 15 * 60_000;
/** How often it is looked, milliseconds. */
const LOOK_MS = 2_000;

let folder: string;
let port: number;
let postgres: LocalPostgres;
let redis: Door;
let receiver: TelemetryReceiver;
let system: System;
let prometheus: Prometheus;
let load: { stop(): Promise<void> };

const hostOf = (url: string): string => new URL(url).host;
const startDatabase = (): Promise<LocalPostgres> => startPostgres({ folder, port });

const PAUSE_BETWEEN_MS = 50;

/** Everything that there is to see: reads that are cached and that are not, writes, refusals. */
const startLoad = (key: string): { stop(): Promise<void> } => {
  const order = { lines: [{ productId: sampleProductId(6), quantity: 1 }] };
  let client = 0;
  const round = (): readonly (() => Promise<Response>)[] => [
    () => system.call("/v1/products"),
    () => system.call(`/v1/products/${sampleProductId(1)}`),
    () => system.call(`/v1/products?q=${crypto.randomUUID()}`),
    () => system.call("/v1/orders", { key }),
    () => system.call("/v1/orders", { method: "POST", key, json: order }),
    () => system.call("/v1/orders", { key: "nonsense" }),
    () => system.call("/.env", { headers: { "x-local-client": `198.51.100.${(client++ % 250) + 1}` } }),
    () => system.call("/v1/nothing"),
  ];
  let isOver = false;
  const run = async (): Promise<void> => {
    while (!isOver) {
      await Promise.all(
        round().map((ask) =>
          ask().then(
            (response) => response.arrayBuffer(),
            () => undefined,
          ),
        ),
      );
      await pause(PAUSE_BETWEEN_MS);
    }
  };
  const running = Promise.all([run(), run()]);
  return {
    stop: async () => {
      isOver = true;
      await running;
    },
  };
};

/** Security events of so many clients that an isolate has no room for all of them. */
const flood = async (clients: number): Promise<void> => {
  const addresses = Array.from({ length: clients }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
  const one = async (): Promise<void> => {
    for (let address = addresses.pop(); address !== undefined; address = addresses.pop()) {
      const response = await system.call("/v1/orders", { headers: { "x-local-client": address } });
      await response.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: 30 }, one));
};

const firing = async (): Promise<readonly string[]> => {
  const found = await prometheus.query('ALERTS{alertstate="firing"}');
  return found.map(({ alertname = "" }) => alertname);
};

/** As Grafana fills them in. */
const filledIn = (expression: string): string =>
  expression
    .replaceAll("$__rate_interval", "1m")
    .replaceAll("$__range", "1h")
    .replaceAll(/\$\{?(job|namespace)(:regex)?\}?/g, ".*");

const dashboardQueries = (): ReadonlyMap<string, string> =>
  new Map(
    dashboardFiles.flatMap((name) =>
      expressionsOf(readDashboard(name)).map((expression): [string, string] => [
        `${name}: ${expression}`,
        filledIn(expression),
      ]),
    ),
  );

beforeAll(async () => {
  if (!hasPrometheus) return;
  folder = await mkdtemp(join(tmpdir(), "breakwater-alerts-"));
  port = await freePort();
  postgres = await startDatabase();
  redis = await startDoor(inject("servers").redisUrl);
  receiver = await startTelemetryReceiver({ port: 0 });
  system = await startSystem({
    origins: 2,
    databaseServer: postgres.url,
    redisUrl: `http://127.0.0.1:${redis.port}`,
    collectorUrl: receiver.url,
    // As container/prometheus.yaml calls them.
    originEnvironment: { OTEL_SERVICE_NAME: "web-api" },
  });
  prometheus = await startPrometheus({
    origins: system.origins.map(({ adminUrl }) => hostOf(adminUrl)),
    receiver: hostOf(receiver.url),
    ruleFiles,
  });
  load = startLoad((await system.createKey("alice")).key);
});
afterAll(async () => {
  if (!hasPrometheus) return;
  await load?.stop();
  await prometheus?.stop();
  await redis?.open();
  await system?.stop();
  await receiver?.stop();
  await redis?.stop();
  await postgres?.stop();
  await erasePostgres(folder);
  await rm(folder, { recursive: true, force: true });
});

test("Prometheus is there where it is required", () => {
  expect(hasPrometheus || !isPrometheusRequired).toBe(true);
});

describe.skipIf(!hasPrometheus)("Prometheus", () => {
  test(
    "has data for every query of every dashboard, and every metric that a rule names",
    async () => {
      const queries = dashboardQueries();
      expect(queries.size).toBeGreaterThan(40);
      await expect
        .poll(
          async () => {
            const missing: string[] = [];
            for (const [name, query] of queries)
              if ((await prometheus.query(query)).length === 0) missing.push(name);
            return missing;
          },
          { timeout: TIMEOUT_MS, interval: LOOK_MS },
        )
        .toEqual([]);
    },
    TIMEOUT_MS,
  );

  test("is told of every metric that a rule names, but for those that a cluster has", async () => {
    const names = new Set([...alerts, ...recordingRules].flatMap(({ expr }) => metricNamesIn(expr)));
    const ofCluster = /^(kube_|container_|ALERTS)/;
    for (const name of [...names].filter((each) => !ofCluster.test(each)))
      expect({ name, series: (await prometheus.query(name)).length > 0 }).toEqual({ name, series: true });
  });

  test(
    "fires while database and Redis are away, and when events were lost",
    async () => {
      expect(await firing()).toEqual([]);
      await postgres.stop();
      redis.shut();
      await flood(15_000);
      await expect
        .poll(firing, { timeout: TIMEOUT_MS, interval: LOOK_MS })
        .toEqual(
          expect.arrayContaining(["ErrorBudgetBurnFast", "CircuitBreakerOpen", "LimiterStoreFailing"]),
        );
      await redis.open();
      postgres = await startDatabase();
      // An isolate tells what it has dropped when its events are taken again.
      await expect
        .poll(firing, { timeout: TIMEOUT_MS, interval: LOOK_MS })
        .toEqual(expect.arrayContaining(["SecurityEventsDropped"]));
    },
    TIMEOUT_MS,
  );
});
