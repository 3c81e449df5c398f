/** The origin as two processes that share a port, the connections and the heap. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { type Door, startDoor } from "../../src/local/door.ts";
import {
  type Backing,
  metric,
  placeOrder,
  type Reply,
  send,
  sendSigned,
  startBacking,
} from "../support/backing.ts";
import { exitOf, faultsOption, isAlive, type OriginProcess, runOrigin } from "../support/origin-process.ts";

const WORKERS = 2;
const MAX_CONNECTIONS = 6;
const PRODUCT = sampleProductId(1);
const COUNT = "http_server_request_duration_seconds_count";
const STOPPED = { code: 0, signal: null };

let backing: Backing;
let door: Door;
let origin: OriginProcess;
let api: string;
let admin: string;

const begin = async (environment: Readonly<Record<string, string>> = {}) => {
  const begun = runOrigin({
    environment: {
      ...backing.environment,
      DATABASE_URL: door.url,
      DATABASE_MAX_CONNECTIONS: String(MAX_CONNECTIONS),
      // Every statement is logged, with its process.
      DATABASE_SLOW_STATEMENT: "0s",
      WORKERS: String(WORKERS),
      NODE_OPTIONS: faultsOption,
      ...environment,
    },
  });
  const addresses = await begun.addresses();
  await begun.logged("ready");
  return { begun, ...addresses };
};

beforeAll(async () => {
  backing = await startBacking();
  door = await startDoor(backing.databaseUrl);
  const { begun, ...addresses } = await begin();
  origin = begun;
  ({ api, admin } = addresses);
  await backing.addSampleData();
});
afterAll(async () => {
  await origin?.kill();
  await door?.stop();
  await backing?.stop();
});

/** The process of each statement of a route, from the nth line on. */
const statementsOf = ({ entries }: OriginProcess, route: string, from = 0): number[] =>
  entries.slice(from).flatMap((entry) => (entry["route"] === route ? [Number(entry["pid"])] : []));

/** The processes that served a route, from the nth line on. */
const pidsOf = (begun: OriginProcess, route: string, from = 0): number[] => [
  ...new Set(statementsOf(begun, route, from)),
];

/** Log lines may arrive later than responses, and would count for the next test. */
const allLogged = (route: string, requests: number, from: number): Promise<void> =>
  expect
    .poll(() => statementsOf(origin, route, from).length, { timeout: 5_000 })
    .toBeGreaterThanOrEqual(requests);

/** Live workers, by the line that each logs at startup. */
const workersOf = ({ all, pid }: OriginProcess): number[] =>
  all("heap")
    .map((entry) => Number(entry["pid"]))
    .filter((each) => each !== pid && isAlive(each));

const readyReport = async (url = admin): Promise<{ status: number; report: unknown }> => {
  const { status, body } = await send(`${url}/ready`);
  return { status, report: JSON.parse(body) };
};
const allReady = { status: 200, report: { ready: true, workers: { configured: WORKERS, ready: WORKERS } } };
const metrics = async (): Promise<string> => (await send(`${admin}/metrics`)).body;

const times = <T>(count: number, each: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, each));

describe("an origin of two workers", () => {
  test("logs 'listening' and 'ready' once", async () => {
    expect(origin.all("listening")).toHaveLength(1);
    expect(origin.all("ready")).toMatchObject([{ workers: WORKERS, pid: origin.pid }]);
    expect(workersOf(origin)).toHaveLength(WORKERS);
    expect(await readyReport()).toMatchObject(allReady);
  });

  test("serves with both, and adds up their metrics", async () => {
    const before = metric(await metrics(), COUNT).sum;
    const mark = origin.entries.length;
    const replies = await times(30, () => sendSigned(api, "/v1/orders", { principal: "alice" }));
    const unknown = await times(5, () =>
      sendSigned(api, "/v1/orders/01900000-0000-7000-8000-00000000dead", { principal: "alice" }),
    );
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(unknown.map(({ status }) => status))).toEqual(new Set([404]));
    // An unknown path has a series without a route; unsigned requests count too.
    expect((await sendSigned(api, "/v1/nothing-here")).status).toBe(404);
    expect((await send(`${api}/v1/products`)).status).toBe(401);
    await allLogged("listOrders", replies.length, mark);
    expect(pidsOf(origin, "listOrders", mark).sort()).toEqual(workersOf(origin).sort());

    const { headers, body } = await send(`${admin}/metrics`);
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    const { sum, series } = metric(body, COUNT);
    expect(sum - before).toBe(replies.length + unknown.length + 2);
    const routes = series.map((line) => /http_route="([^"]*)"/.exec(line)?.[1]);
    expect(new Set(routes)).toEqual(new Set(["/v1/orders", "/v1/orders/:id", "/v1/products", undefined]));
    expect(metric(body, "target_info").sum).toBe(1);
    await expect.poll(async () => metric(await metrics(), "http_server_active_requests").sum).toBe(0);
  });

  test("never has more database connections than one process, even under load", async () => {
    let isOver = false;
    const seen: number[] = [];
    const watching = (async () => {
      while (!isOver) seen.push(await backing.connections());
    })();
    const replies = await times(24, async () => {
      const each: Reply[] = [];
      for (let n = 0; n < 4; n += 1) {
        each.push(await placeOrder(api, sampleProductId(1 + (n % 6))));
        each.push(await sendSigned(api, "/v1/products"));
      }
      return each;
    });
    isOver = true;
    await watching;
    expect(new Set(replies.flat().map(({ status }) => status))).toEqual(new Set([201, 200]));
    expect(Math.max(...seen)).toBeGreaterThan(MAX_CONNECTIONS / WORKERS);
    expect(Math.max(...seen)).toBeLessThanOrEqual(MAX_CONNECTIONS);
  });

  test("a write in one worker invalidates the caches of all", async () => {
    const path = `/v1/products/${PRODUCT}`;
    const from = origin.entries.length;
    /** Each request has its own connection, so that both workers get some. */
    const stocks = async (): Promise<Set<number>> => {
      const replies = await Promise.all(Array.from({ length: 8 }, () => sendSigned(api, path)));
      return new Set(replies.map(({ body }): number => JSON.parse(body).stock));
    };
    for (let turn = 0; turn < 10; turn += 1) {
      const [before = Number.NaN, ...others] = await stocks();
      expect(others).toEqual([]);
      expect((await placeOrder(api, PRODUCT)).status).toBe(201);
      expect(await stocks()).toEqual(new Set([before - 1]));
    }
    expect(pidsOf(origin, "placeOrder", from).length).toBe(WORKERS);
  });

  test("stays ready while its database hangs", async () => {
    door.shut();
    try {
      const down = { ...allReady.report, dependencies: { database: "down", redis: "up" } };
      await expect.poll(readyReport, { timeout: 5_000 }).toMatchObject({ status: 200, report: down });
      // The timeout of a kubelet.
      const answered = await Promise.race([readyReport(), pause(1_000)]);
      expect(answered).toMatchObject({ status: 200 });
    } finally {
      await door.open();
    }
    await expect
      .poll(readyReport, { timeout: 10_000 })
      .toMatchObject({ report: { dependencies: { database: "up" } } });
  });

  test("is ready while one worker hangs", async () => {
    const [stuck = 0] = workersOf(origin);
    process.kill(stuck, "SIGSTOP");
    try {
      expect(await readyReport()).toMatchObject({ status: 200, report: { workers: { ready: WORKERS - 1 } } });
    } finally {
      process.kill(stuck, "SIGCONT");
    }
    await expect.poll(readyReport).toMatchObject(allReady);
  });

  test.each([
    ["that is killed", "SIGKILL", { code: null, signal: "SIGKILL" }],
    ["with an uncaught error", "SIGUSR2", { code: 1, signal: null }],
  ] as const)("replaces only the worker %s", async (_, signal, end) => {
    const before = metric(await metrics(), COUNT).sum;
    const mark = origin.entries.length;
    const [lost = 0, kept = 0] = workersOf(origin);
    process.kill(lost, signal);
    await expect.poll(() => isAlive(lost), { timeout: 10_000 }).toBe(false);
    await expect
      .poll(
        async () => {
          const { status, report } = await readyReport();
          expect(status).toBe(200);
          expect(metric(await metrics(), COUNT).sum).toBeGreaterThanOrEqual(before);
          return report;
        },
        { timeout: 60_000 },
      )
      .toMatchObject(allReady.report);
    const entries = origin.entries.slice(mark);
    expect(entries).toContainEqual(
      expect.objectContaining({ message: "a worker ended unexpectedly and is replaced", ...end }),
    );
    expect(entries.filter(({ message }) => message === "uncaught").map(({ pid }) => pid)).toEqual(
      signal === "SIGUSR2" ? [lost] : [],
    );
    const [one, other] = workersOf(origin);
    expect(one).toBe(kept);
    expect(other).not.toBe(lost);

    const served = await times(20, () => sendSigned(api, "/v1/orders", { principal: "alice" }));
    expect(new Set(served.map(({ status }) => status))).toEqual(new Set([200]));
    await allLogged("listOrders", served.length, mark);
    expect(pidsOf(origin, "listOrders", mark).sort()).toEqual([one, other].sort());
    expect(metric(await metrics(), COUNT).sum).toBe(before + served.length);
  });

  test("replaces a replacement that ends before it is ready, and goes on with the other worker", async () => {
    const [lost = 0, kept = 0] = workersOf(origin);
    process.kill(lost, "SIGKILL");
    const replacement = (): number => workersOf(origin).find((pid) => pid !== lost && pid !== kept) ?? 0;
    await expect.poll(replacement, { timeout: 60_000, interval: 5 }).not.toBe(0);
    const killed = replacement();
    process.kill(killed, "SIGKILL");
    await expect.poll(() => isAlive(killed)).toBe(false);
    await expect.poll(readyReport, { timeout: 60_000 }).toMatchObject(allReady);
    expect(workersOf(origin)).toContain(kept);
  });

  test("drains both workers: they finish their requests, it exits 0, and no process is left", async () => {
    const mark = origin.entries.length;
    const pids = workersOf(origin);
    const lock = await backing.lockProduct(PRODUCT);
    try {
      const replies = times(6, () => placeOrder(api, PRODUCT));
      await expect.poll(async () => metric(await metrics(), "http_server_active_requests").sum).toBe(6);
      origin.signal("SIGTERM");
      await origin.logged("draining");
      // As where a signal goes to the whole process group.
      for (const pid of pids) process.kill(pid, "SIGTERM");
      expect(await readyReport()).toMatchObject({ status: 503, report: { ready: false, draining: true } });
      expect((await send(`${admin}/health`)).status).toBe(200);
      await lock.release();
      expect((await replies).map(({ status }) => status)).toEqual([201, 201, 201, 201, 201, 201]);
    } finally {
      await lock.release();
    }
    expect(await exitOf(origin)).toEqual(STOPPED);
    expect(pidsOf(origin, "placeOrder", mark).sort()).toEqual(pids.sort());
    await expect.poll(() => pids.filter(isAlive)).toEqual([]);
    await expect.poll(backing.connections).toBe(0);
  });
});

test("a second signal ends the primary and its workers immediately", async () => {
  const { begun, api: url } = await begin({ PRE_STOP: "60s" });
  const lock = await backing.lockProduct(PRODUCT);
  try {
    const reply = placeOrder(url, PRODUCT).catch(() => undefined);
    await expect.poll(backing.waiting).toBe(1);
    const pids = workersOf(begun);
    begun.signal("SIGTERM");
    await begun.logged("draining");
    begun.signal("SIGTERM");
    expect(await exitOf(begun, 5_000)).toEqual({ code: 143, signal: null });
    await expect.poll(() => pids.filter(isAlive)).toEqual([]);
    expect(await reply).toBeUndefined();
  } finally {
    await lock.release();
    await begun.kill();
  }
});

test("a worker that hangs does not prevent shutdown", async () => {
  const { begun } = await begin({ DRAIN_TIMEOUT: "100ms" });
  try {
    const pids = workersOf(begun);
    process.kill(pids[0] ?? 0, "SIGSTOP");
    begun.signal("SIGTERM");
    expect(await exitOf(begun, 15_000)).toEqual(STOPPED);
    expect(begun.all("workers were killed: they took too long to end")).toMatchObject([{ workers: 1 }]);
    await expect.poll(() => pids.filter(isAlive)).toEqual([]);
  } finally {
    await begun.kill();
  }
});
