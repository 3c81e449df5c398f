import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import * as z from "zod/mini";
import { Order } from "../../src/contract/api/orders.ts";
import { freePort } from "../../src/local/free-port.ts";
import { startOrigin } from "../../src/local/origin.ts";
import { startPostgres } from "../../src/local/postgres.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
let key: string;

beforeAll(async () => {
  system = await startSystem({ origins: 2 });
  key = (await system.createKey("alice")).key;
});
afterAll(() => system?.stop());

const order = { lines: [{ productId: sampleProductId(6), quantity: 1 }] };

/** Sends orders one after another until told to stop; what was answered, by status. */
const orderUntil = async (stopped: () => boolean): Promise<{ status: number; id: string | undefined }[]> => {
  const answers: { status: number; id: string | undefined }[] = [];
  while (!stopped()) {
    const response = await system.call("/v1/orders", { method: "POST", key, json: order });
    const id = response.status === 201 ? Order.parse(await response.json()).id : undefined;
    answers.push({ status: response.status, id });
  }
  return answers;
};

const terminateConnections = async (): Promise<number> => {
  const client = new pg.Client(inject("servers").databaseUrl);
  await client.connect();
  const { rowCount } = await client.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'breakwater-origin'",
    [system.databaseName],
  );
  await client.end();
  return rowCount ?? 0;
};

test("connections terminated under requests end no process and lose no order that was answered 201", async () => {
  let isOver = false;
  const workers = Promise.all(Array.from({ length: 8 }, () => orderUntil(() => isOver)));
  let terminated = 0;
  for (let round = 0; round < 10; round += 1) {
    // A request's answer between two rounds, so that each round meets connections at work.
    await system.call("/v1/products");
    terminated += await terminateConnections();
  }
  isOver = true;
  const answers = (await workers).flat();
  expect(terminated).toBeGreaterThan(10);
  expect(
    [...new Set(answers.map(({ status }) => status))].filter((status) => ![201, 503].includes(status)),
  ).toEqual([]);
  expect((await system.call("/v1/orders", { method: "POST", key, json: order })).status).toBe(201);

  const promised = answers.flatMap(({ id }) => id ?? []);
  const kept = await system.pool.query<{ id: string }>("SELECT id FROM orders");
  const ids = new Set(kept.map(({ id }) => id));
  expect(promised.filter((id) => !ids.has(id))).toEqual([]);
  for (const origin of system.origins) expect((await fetch(`${origin.url}/health`)).status).toBe(200);
});

test("a database that restarts is found again by itself", async () => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-restart-"));
  const port = await freePort();
  const signal = new AbortController().signal;
  let postgres = await startPostgres({ folder, port, durable: true, signal });
  const originPort = await freePort();
  const origin = await startOrigin({
    name: "origin",
    port: originPort,
    environment: {
      DATABASE_URL: postgres.url,
      REDIS_URL: inject("servers").redisUrl,
      REDIS_TOKEN: inject("servers").redisToken,
      REDIS_KEY_PREFIX: system.keyPrefix,
      SIGNING_KEYS: `k:${randomBytes(32).toString("base64")}`,
    },
  });
  try {
    const report = z.object({ dependencies: z.record(z.string(), z.string()) });
    const states = async () => report.parse(await (await fetch(`${origin.url}/ready`)).json()).dependencies;
    expect(await states()).toMatchObject({ database: "up" });
    await postgres.stop();
    await expect.poll(states, { timeout: 10_000 }).toMatchObject({ database: "down" });
    expect((await fetch(`${origin.url}/ready`)).status).toBe(200);
    postgres = await startPostgres({ folder, port, durable: true, signal });
    await expect.poll(states, { timeout: 10_000 }).toMatchObject({ database: "up" });
  } finally {
    await origin.stop();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test("an origin that is told to end answers what it has begun, then exits 0", async () => {
  const blocker = new pg.Client(system.databaseUrl);
  await blocker.connect();
  await blocker.query("BEGIN");
  await blocker.query("SELECT FROM products WHERE id = $1 FOR UPDATE", [sampleProductId(6)]);
  const pending = [1, 2, 3, 4].map(() => system.call("/v1/orders", { method: "POST", key, json: order }));
  await expect
    .poll(async () => {
      const waiting = await blocker.query(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1",
        [system.databaseName],
      );
      return waiting.rows[0].n;
    })
    .toBe(4);
  const stopping = system.origins.map((origin) => origin.stop());
  await expect.poll(() => system.logLines.filter((line) => line.includes('"draining"')).length).toBe(2);
  await blocker.query("COMMIT");
  await blocker.end();
  expect((await Promise.all(pending)).map(({ status }) => status)).toEqual([201, 201, 201, 201]);
  await Promise.all(stopping);
  const exits = await Promise.all(system.origins.map(({ child }) => child.exited));
  expect(exits).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ]);
});

test("with no origin left the edge answers 503 with Retry-After", async () => {
  const response = await system.call("/v1/products");
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
});
