/** The README's table of what is answered while something is gone, cell by cell. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { projectFolder } from "../../src/local/state-dir.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type Door, startDoor } from "../support/door.ts";
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
    redisUrl: `http://127.0.0.1:${redis.port}`,
  });
  key = (await system.createKey("alice")).key;
  const response = await system.call("/v1/orders", { method: "POST", key, json: order });
  placed = response.headers.get("location") ?? "";
});
afterAll(async () => {
  // What has to be dropped is dropped by way of both.
  await redis?.open();
  await system?.stop();
  await redis?.stop();
  await postgres?.remove();
});

/** What is asked for, by the first column's words. */
const requests: Readonly<Record<string, readonly (() => Promise<Response>)[]>> = {
  "`GET /v1/products`": [() => system.call("/v1/products"), () => system.call("/v1/products?q=lant")],
  "`GET /v1/products/:id`": [() => system.call(product)],
  "products that nobody has asked for lately": [
    () => system.call(`/v1/products?q=${crypto.randomUUID()}`),
    () => system.call(`/v1/products/${crypto.randomUUID()}`),
  ],
  "`POST`, `PATCH /v1/products`": [
    () =>
      system.call("/v1/products", {
        method: "POST",
        key,
        json: { name: "New", price: { amount: 1, currency: "EUR" }, stock: 1 },
      }),
  ],
  "`GET /v1/orders`, `/v1/orders/:id`": [
    () => system.call("/v1/orders", { key }),
    () => system.call(placed, { key }),
  ],
  "`POST /v1/orders`, `…/cancel`": [
    () => system.call("/v1/orders", { method: "POST", key, json: order }),
    () =>
      system.call("/v1/orders", {
        method: "POST",
        key,
        json: order,
        headers: { "idempotency-key": crypto.randomUUID() },
      }),
  ],
  "`/docs`, `/openapi.json`": [() => system.call("/docs"), () => system.call("/openapi.json")],
};

/** What a cell's words mean. */
const expectations: Readonly<Record<string, (response: Response) => Promise<void>>> = {
  "as ever": async (response) => {
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

/** The table's rows as lists of cells, the first of which is its header. */
const readTable = async (): Promise<string[][]> => {
  const readme = await readFile(join(projectFolder, "README.md"), "utf8");
  const [, section = ""] = readme.split("## When something is gone\n");
  const [table = ""] = section.split("\n\n").filter((paragraph) => paragraph.startsWith("|"));
  return table
    .split("\n")
    .map((line) => line.split("|").slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
    .filter((cells) => !cells.every((cell) => /^-+$/.test(cell)));
};

const follow = async (gone: string): Promise<void> => {
  const [header = [], ...rows] = await readTable();
  const column = header.indexOf(gone);
  expect(column).toBeGreaterThan(0);
  expect(rows.map(([what]) => what)).toEqual(Object.keys(requests));
  for (const [what = "", ...cells] of rows) {
    const expectation = expectations[cells[column - 1] ?? ""];
    if (expectation === undefined) throw new Error(`no test knows what «${cells[column - 1]}» is (${what})`);
    for (const ask of requests[what] ?? []) {
      const response = await ask();
      await expectation(response).catch((error: unknown) => {
        throw new Error(`${gone} gone, ${what}: ${response.status} ${response.headers.get("cache-status")}`, {
          cause: error,
        });
      });
    }
  }
};

/** Everything is asked for, and answered as ever; soon after something has come back its breaker lets only a part through. */
const warm = async (): Promise<void> => {
  for (const [what, asks] of Object.entries(requests))
    for (const ask of asks) {
      const status = async (): Promise<number> => {
        const response = await ask();
        await response.arrayBuffer();
        return response.status;
      };
      await expect.poll(status, { timeout: 10_000, message: what }).toBeOneOf([200, 201, 404]);
    }
};

const statuses = async (): Promise<number[]> => {
  const answers = await Promise.all(Object.values(requests).flatMap((asks) => asks.map((ask) => ask())));
  await Promise.all(answers.map((answer) => answer.arrayBuffer()));
  return answers.map(({ status }) => status);
};
const isWell = async (): Promise<boolean> => (await statuses()).every((status) => status < 500);
const product = `/v1/products/${sampleProductId(1)}`;
/** Past the five seconds for which a product is fresh. */
const untilStale = () => pause(5_200);
/** Past the thirty seconds more for which it is served while a newer one is fetched. */
const untilOnlyIfError = () => pause(35_500);

describe.sequential("while it is gone, each route answers as the README says", () => {
  test("the database, and all is back within five seconds of its return", async () => {
    await warm();
    await postgres.stop();
    await untilOnlyIfError();
    // Twice: before the breaker is open, and when it is.
    for (let turn = 0; turn < 2; turn += 1) await follow("database");
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
    for (let turn = 0; turn < 3; turn += 1) await follow("Redis");
    await redis.open();
  });

  test("Redis, in that it hangs; and nobody waits for it longer than its bounds", async () => {
    await warm();
    redis.shut();
    for (let turn = 0; turn < 3; turn += 1) {
      await follow("Redis");
      const beganMs = Date.now();
      expect((await statuses()).every((status) => status < 500)).toBe(true);
      // The edge's look at a key, the origin's at its cache and at a nonce: 150, 100, 100 ms; the rest is the machine's.
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
    await follow("both");
    await postgres.start();
    await redis.open();
    await expect.poll(isWell, { timeout: 20_000 }).toBe(true);
  });

  test("the only origin", async () => {
    await warm();
    await system.origins[0]?.kill();
    await untilOnlyIfError();
    for (let turn = 0; turn < 2; turn += 1) await follow("the only origin");
    expect((await system.call(product)).headers.get("cache-status")).toMatch(
      /breakwater-edge; .*ttl=-[34]\d; detail=stale-if-error$/,
    );
  });
});
