/** The README's table of what works when a dependency is down, cell by cell. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { type Door, startDoor } from "../../src/local/door.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";
import { problemOf } from "../support/problem-of.ts";
import { sendSigned } from "../support/signed-request.ts";
import { type System, startSystem } from "../support/system.ts";

let postgres: OwnPostgres;
let redis: Door;
let system: System;
let key: string;
let placed: string;

const order = { lines: [{ productId: sampleProductId(6), quantity: 1 }] };

beforeAll(async () => {
  postgres = await startOwnPostgres();
  redis = await startDoor(inject("servers").redisUrl);
  system = await startSystem({
    databaseServer: postgres.url,
    edgeEnvironment: { RATE_LIMITS: "enforce" },
    redisUrl: redis.url,
  });
  key = (await system.createKey("alice")).key;
  const response = await system.call("/v1/orders", { method: "POST", key, json: order });
  placed = response.headers.get("location") ?? "";
});
afterAll(async () => {
  // The system's cleanup needs both.
  await redis?.open();
  await system?.stop();
  await redis?.stop();
  await postgres?.remove();
});

const create = (json: object, headers = {}): (() => Promise<Response>) => {
  const path = "lines" in json ? "/v1/orders" : "/v1/products";
  return () => system.call(path, { method: "POST", key, json, headers });
};

/** The requests of each row, by its first cell. */
const requests: Readonly<Record<string, readonly (() => Promise<Response>)[]>> = {
  "`GET /v1/products`": [() => system.call("/v1/products"), () => system.call("/v1/products?q=lant")],
  "`GET /v1/products/:id`": [() => system.call(product)],
  "products not requested recently": [
    () => system.call(`/v1/products?q=${crypto.randomUUID()}`),
    () => system.call(`/v1/products/${crypto.randomUUID()}`),
  ],
  "`POST`, `PATCH /v1/products`": [create({ name: "New", price: { amount: 1, currency: "EUR" }, stock: 1 })],
  "`GET /v1/orders`, `/v1/orders/:id`": [
    () => system.call("/v1/orders", { key }),
    () => system.call(placed, { key }),
  ],
  "`POST /v1/orders`, `…/cancel`": [
    create(order),
    () => create(order, { "idempotency-key": crypto.randomUUID() })(),
  ],
  "`/docs`, `/openapi.json`": [() => system.call("/docs"), () => system.call("/openapi.json")],
};

/** The meaning of each word in a cell. */
const expectations: Readonly<Record<string, (response: Response) => Promise<void>>> = {
  unaffected: async (response) => {
    expect([200, 201, 404]).toContain(response.status);
    await response.arrayBuffer();
  },
  stale: async (response) => {
    expect(response.status).toBe(200);
    expect(Number(response.headers.get("age"))).toBeGreaterThan(0);
    expect(response.headers.get("cache-status")).toMatch(/; ttl=-?\d+/);
    await response.arrayBuffer();
  },
  "503": async (response) => {
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect((await problemOf(response)).code).toBe("unavailable");
  },
};

/** The table's header and rows, as lists of cells. */
const readTable = async (): Promise<string[][]> => {
  const readme = await readFile(join(projectFolder, "README.md"), "utf8");
  const [, section = ""] = readme.split("## When a dependency is down\n");
  const [table = ""] = section.split("\n\n").filter((paragraph) => paragraph.startsWith("|"));
  return table
    .split("\n")
    .map((line) => line.split("|").slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
    .filter((cells) => !cells.every((cell) => /^-+$/.test(cell)));
};

/** Expects each route's response to be as the column says. */
const expectColumn = async (title: string): Promise<void> => {
  const [header = [], ...rows] = await readTable();
  const column = header.indexOf(title);
  expect(column).toBeGreaterThan(0);
  expect(rows.map(([what]) => what)).toEqual(Object.keys(requests));
  for (const [what = "", ...cells] of rows) {
    const expectation = expectations[cells[column - 1] ?? ""];
    if (expectation === undefined) throw new Error(`${what}: no test for "${cells[column - 1]}"`);
    for (const call of requests[what] ?? []) {
      const response = await call();
      await expectation(response).catch((error: unknown) => {
        const found = `${response.status} ${response.headers.get("cache-status")}`;
        throw new Error(`${title}: ${what}: ${found}`, { cause: error });
      });
    }
  }
};

/** Fills the caches; soon after a recovery, a breaker admits only a part of the requests. */
const warm = async (): Promise<void> => {
  for (const [what, calls] of Object.entries(requests))
    for (const call of calls) {
      const status = async (): Promise<number> => {
        const response = await call();
        await response.arrayBuffer();
        return response.status;
      };
      await expect.poll(status, { timeout: 10_000, message: what }).toBeOneOf([200, 201, 404]);
    }
};

const statuses = async (): Promise<number[]> => {
  const answers = await Promise.all(Object.values(requests).flatMap((calls) => calls.map((call) => call())));
  await Promise.all(answers.map((answer) => answer.arrayBuffer()));
  return answers.map(({ status }) => status);
};
const isWell = async (): Promise<boolean> => (await statuses()).every((status) => status < 500);
const product = `/v1/products/${sampleProductId(1)}`;
/** A product is fresh for five seconds, */
const untilStale = () => pause(5_200);
/** and stale-while-revalidate for thirty more. */
const untilOnlyIfError = () => pause(35_500);

describe.sequential("each route responds as the README says during an outage of", () => {
  test("the database, and everything recovers within five seconds", async () => {
    await warm();
    await postgres.stop();
    await untilOnlyIfError();
    // Once with the breaker closed, and once with it open.
    for (let turn = 0; turn < 2; turn += 1) await expectColumn("database");
    const atOrigin = await sendSigned(system, product);
    expect(atOrigin.headers.get("cache-status")).toMatch(/^breakwater-origin; .*detail=stale-if-error$/);
    expect(Number(atOrigin.headers.get("age"))).toBeGreaterThanOrEqual(35);
    expect((await system.call(product)).headers.get("cache-status")).toContain("stale-if-error");
    await postgres.start();
    const beganMs = Date.now();
    await expect.poll(isWell, { timeout: 20_000, interval: 50 }).toBe(true);
    expect(Date.now() - beganMs).toBeLessThan(5_000);
    const cacheStatus = async () => (await system.call(product)).headers.get("cache-status");
    await expect.poll(cacheStatus, { timeout: 5_000 }).not.toContain("stale-if-error");
  });

  test("Redis", async () => {
    await warm();
    await redis.refuse();
    for (let turn = 0; turn < 3; turn += 1) await expectColumn("Redis");
    await redis.open();
  });

  test("Redis that hangs, and no request waits longer than its timeouts", async () => {
    await warm();
    redis.shut();
    for (let turn = 0; turn < 3; turn += 1) {
      await expectColumn("Redis");
      const beganMs = Date.now();
      expect((await statuses()).every((status) => status < 500)).toBe(true);
      // 150 ms for the edge's key, 100 ms each for the origin's cache and nonce, and a margin for a busy machine.
      expect(Date.now() - beganMs).toBeLessThan(2_000);
    }
    await redis.open();
  });

  test("the database and Redis", async () => {
    await expect.poll(isWell, { timeout: 20_000 }).toBe(true);
    await warm();
    await redis.refuse();
    await postgres.stop();
    await untilStale();
    await expectColumn("both");
    await postgres.start();
    await redis.open();
    await expect.poll(isWell, { timeout: 20_000 }).toBe(true);
  });

  test("the only origin", async () => {
    await warm();
    await system.origins[0]?.kill();
    await untilOnlyIfError();
    for (let turn = 0; turn < 2; turn += 1) await expectColumn("the only origin");
    expect((await system.call(product)).headers.get("cache-status")).toMatch(
      /breakwater-edge; .*ttl=-[34]\d; detail=stale-if-error$/,
    );
  });
});
