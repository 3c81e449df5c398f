/**
 * A real Prometheus watches the whole system with the shipped rules, ten times as fast, during normal operation and during
 * outages: every dashboard has data, and the alerts fire.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { type Door, startDoor } from "../../src/local/door.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../src/local/telemetry/receiver.ts";
import { dashboardFiles, readDashboard } from "../observability/dashboard-files.ts";
import { metricNamesIn } from "../observability/expression.ts";
import { alerts, recordingRules, ruleFiles } from "../observability/rule-files.ts";
import { inParallel, outcomeOf } from "../support/load.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";
import {
  hasPrometheus,
  isPrometheusRequired,
  type Prometheus,
  startPrometheus,
} from "../support/prometheus.ts";
import { type CallInit, type System, startSystem } from "../support/system.ts";

/** Rules take a minute or two, with windows and waits of half a minute. The rest is a margin for a busy machine. */
const POLL = { timeout: 10 * 60_000, interval: 500 };
/** Longer than the poll, whose error is more informative. */
const TEST_TIMEOUT_MS = 2 * POLL.timeout;

let postgres: OwnPostgres;
let redis: Door;
let receiver: TelemetryReceiver;
let system: System;
let prometheus: Prometheus;
let key: string;
let load: { stop(): Promise<void> };

const hostOf = (url: string): string => new URL(url).host;

const PAUSE_BETWEEN_MS = 50;
const CLIENTS = 1_000;

/** Cached and uncached reads, writes and rejections. */
const startLoad = (): { stop(): Promise<void> } => {
  const order = { lines: [{ productId: sampleProductId(6), quantity: 1 }] };
  let client = 0;
  /** One of many clients, none of which exceeds a limit. */
  const from = (): CallInit => {
    client = (client + 1) % CLIENTS;
    return { headers: { "x-local-client": `198.51.${Math.floor(client / 250)}.${(client % 250) + 1}` } };
  };
  const round = (): readonly (() => Promise<Response>)[] => [
    () => system.call("/v1/products", from()),
    () => system.call(`/v1/products/${sampleProductId(1)}`, from()),
    () => system.call(`/v1/products?q=${crypto.randomUUID()}`, from()),
    () => system.call("/v1/orders", { key }),
    () => system.call("/v1/orders", { method: "POST", key, json: order }),
    () => system.call("/v1/orders", { key: "nonsense" }),
    () => system.call("/.env", from()),
    () => system.call("/v1/nothing"),
  ];
  let isOver = false;
  const run = async (): Promise<void> => {
    while (!isOver) {
      await Promise.all(round().map((send) => outcomeOf(send())));
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

const callFrom = (client: string, path: string) =>
  outcomeOf(system.call(path, { headers: { "x-local-client": client } }));

/** One client reads until a limit rejects it; a hundred at a time are faster than the refill. */
const untilLimited = async (client: string): Promise<void> => {
  for (let turn = 0; turn < 50; turn += 1) {
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => callFrom(client, "/v1/products")));
    if (outcomes.some(({ status }) => status === 429)) return;
  }
  throw new Error("no limit has rejected it");
};

/** Causes security events of more clients than an isolate has room for. */
const flood = (clients: number): Promise<void> => {
  const addresses = Array.from({ length: clients }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
  return inParallel(addresses, 30, (address) => callFrom(address, "/v1/orders"));
};

const firing = async (): Promise<readonly string[]> => {
  const found = await prometheus.query('ALERTS{alertstate="firing"}');
  return found.map(({ alertname = "" }) => alertname);
};

/** Replaces variables like Grafana. */
const filledIn = (expression: string): string =>
  expression
    .replaceAll("$__rate_interval", "1m")
    .replaceAll("$__range", "1h")
    .replaceAll(/\$\{?(job|namespace)(:regex)?\}?/g, ".*");

/** Every panel's queries, by dashboard, title and letter. */
const panelQueries = (): Map<string, string> =>
  new Map(
    dashboardFiles.flatMap((name) =>
      readDashboard(name).panels.flatMap(({ title, targets }) =>
        targets.map(({ expr, refId }): [string, string] => [`${name}, ${title}, ${refId}`, filledIn(expr)]),
      ),
    ),
  );

beforeAll(async () => {
  if (!hasPrometheus) return;
  postgres = await startOwnPostgres();
  redis = await startDoor(inject("servers").redisUrl);
  receiver = await startTelemetryReceiver({ port: 0 });
  system = await startSystem({
    origins: 2,
    databaseServer: postgres.url,
    redisUrl: redis.url,
    collectorUrl: receiver.url,
    originEnvironment: { OTEL_SERVICE_NAME: "web-api" },
    edgeEnvironment: { RATE_LIMITS: "enforce" },
  });
  prometheus = await startPrometheus({
    origins: system.origins.map(({ adminUrl }) => hostOf(adminUrl)),
    receiver: hostOf(receiver.url),
    ruleFiles,
  });
  ({ key } = await system.createKey("alice"));
  load = startLoad();
});
afterAll(async () => {
  if (!hasPrometheus) return;
  await load?.stop();
  await prometheus?.stop();
  await redis?.open();
  await system?.stop();
  await receiver?.stop();
  await redis?.stop();
  await postgres?.remove();
});

test("Prometheus is installed if it is required", () => {
  expect(hasPrometheus || !isPrometheusRequired).toBe(true);
});

describe.skipIf(!hasPrometheus)("Prometheus", () => {
  test(
    "has data for every query of every dashboard",
    async () => {
      const queries = panelQueries();
      expect(queries.size).toBeGreaterThan(40);
      await untilLimited("192.0.2.99");
      // Causes retries, which clients do not notice.
      await system.origins[1]?.kill();
      // Causes errors.
      await postgres.stop();
      await expect.poll(async () => (await system.call("/v1/orders", { key })).status).toBe(503);
      await postgres.start();
      const without = async (): Promise<readonly string[]> => {
        for (const [name, query] of queries)
          if ((await prometheus.query(query)).length > 0) queries.delete(name);
        return [...queries.keys()];
      };
      await expect.poll(without, POLL).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test("has every metric of the rules, except for a cluster's", async () => {
    const names = new Set([...alerts, ...recordingRules].flatMap(({ expr }) => metricNamesIn(expr)));
    const ofCluster = /^(kube_|container_|keda_|certmanager_|cloudflared_|otelcol_|ALERTS)/;
    for (const name of [...names].filter((each) => !ofCluster.test(each)))
      expect({ name, series: (await prometheus.query(name)).length > 0 }).toEqual({ name, series: true });
  });

  test(
    "fires alerts while the database and Redis are down, and after events were lost",
    async () => {
      const expected = ["ErrorBudgetBurnFast", "CircuitBreakerOpen", "LimiterStoreFailing"];
      await postgres.stop();
      redis.shut();
      await flood(4_000);
      await expect.poll(firing, POLL).toEqual(expect.arrayContaining(expected));
      await redis.open();
      await postgres.start();
      // An isolate reports dropped events with the next accepted ones.
      await expect.poll(firing, POLL).toEqual(expect.arrayContaining(["SecurityEventsDropped"]));
    },
    TEST_TIMEOUT_MS,
  );
});
