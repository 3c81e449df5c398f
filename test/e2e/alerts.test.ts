/**
 * Prometheus itself watches the whole system with the rules that are shipped, ten times as fast, while it is well and
 * while it is broken: the data of every dashboard is there, and the alerts fire.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../src/local/telemetry/receiver.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { dashboardFiles, readDashboard } from "../observability/dashboard-files.ts";
import { metricNamesIn } from "../observability/expression.ts";
import { alerts, recordingRules, ruleFiles } from "../observability/rule-files.ts";
import { type Door, startDoor } from "../support/door.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";
import {
  hasPrometheus,
  isPrometheusRequired,
  type Prometheus,
  startPrometheus,
} from "../support/prometheus.ts";
import { type CallInit, type System, startSystem } from "../support/system.ts";

/** Rules take a minute or two: they look at half a minute and wait for as long. The rest is for a busy machine. */
const POLL = { timeout: 10 * 60_000, interval: 500 };
/** Longer than the poll, whose error names what has not come. */
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

/** Everything that there is to see: reads that are cached and that are not, writes, refusals. */
const startLoad = (): { stop(): Promise<void> } => {
  const order = { lines: [{ productId: sampleProductId(6), quantity: 1 }] };
  let client = 0;
  /** One of so many that none of them asks too much. */
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

/** One client reads until a limit refuses it: many at a time are faster than what comes back. */
const untilLimited = async (address: string): Promise<void> => {
  const read = async (): Promise<number> => {
    const response = await system.call("/v1/products", { headers: { "x-local-client": address } });
    await response.arrayBuffer();
    return response.status;
  };
  for (let turn = 0; turn < 50; turn += 1) {
    const statuses = await Promise.all(Array.from({ length: 100 }, read));
    if (statuses.includes(429)) return;
  }
  throw new Error("no limit has refused it");
};

/** Security events of so many clients that an isolate has no room for all of them. */
const flood = async (clients: number): Promise<void> => {
  const addresses = Array.from({ length: clients }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
  const one = async (): Promise<void> => {
    for (let address = addresses.pop(); address !== undefined; address = addresses.pop()) {
      // Whether it is answered does not matter: one that is refused a connection is missing, no more.
      await system
        .call("/v1/orders", { headers: { "x-local-client": address } })
        .then((response) => response.arrayBuffer())
        .catch(() => undefined);
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

/** Of every panel of every dashboard, by what it is found again. */
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
    redisUrl: `http://127.0.0.1:${redis.port}`,
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

test("Prometheus is there where it is required", () => {
  expect(hasPrometheus || !isPrometheusRequired).toBe(true);
});

describe.skipIf(!hasPrometheus)("Prometheus", () => {
  test(
    "has had data for every query of every dashboard",
    async () => {
      const queries = panelQueries();
      expect(queries.size).toBeGreaterThan(40);
      await untilLimited("192.0.2.99");
      // What is asked of it has to be asked elsewhere, which no client sees;
      await system.origins[1]?.kill();
      // that there is no database they do.
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

  test("is told of every metric that a rule names, but for those that a cluster has", async () => {
    const names = new Set([...alerts, ...recordingRules].flatMap(({ expr }) => metricNamesIn(expr)));
    const ofCluster = /^(kube_|container_|ALERTS)/;
    for (const name of [...names].filter((each) => !ofCluster.test(each)))
      expect({ name, series: (await prometheus.query(name)).length > 0 }).toEqual({ name, series: true });
  });

  test(
    "fires while database and Redis are away, and when events were lost",
    async () => {
      const expected = ["ErrorBudgetBurnFast", "CircuitBreakerOpen", "LimiterStoreFailing"];
      await postgres.stop();
      redis.shut();
      await flood(4_000);
      await expect.poll(firing, POLL).toEqual(expect.arrayContaining(expected));
      await redis.open();
      await postgres.start();
      // An isolate tells what it has dropped when its events are taken again.
      await expect.poll(firing, POLL).toEqual(expect.arrayContaining(["SecurityEventsDropped"]));
    },
    TEST_TIMEOUT_MS,
  );
});
