import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { migrate, readMigrations } from "../../src/origin/db/migrate.ts";
import { connectPostgres, type PostgresPool } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { backoffMs, cleanOutbox, insertEvents } from "../../src/origin/outbox/outbox.ts";
import { createSecurityEvents, type SecurityEventsOptions } from "../../src/origin/outbox/security-events.ts";
import { type Sink, webhookSink } from "../../src/origin/outbox/sinks.ts";
import type { Occurrence, SecurityEvent } from "../../src/security-events/event.ts";
import { startWebhookServer, type WebhookServer } from "../origin/outbox/webhook-server.ts";
import { refused } from "../security-events/support.ts";
import { type Backing, metric, placeOrder, sendSigned, startBacking } from "../support/backing.ts";
import { createDatabase } from "../support/database.ts";
import { hold } from "../support/locks.ts";
import { testMetrics } from "../support/metrics.ts";
import { type OriginProcess, runOrigin } from "../support/origin-process.ts";

const POLL = { timeout: 30_000, interval: 20 };
const log = createLog("silent");

const eventOf = (client = "192.0.2.1"): SecurityEvent => {
  const atMs = Date.now();
  return { ...refused(client, atMs), id: randomUUID(), lastAtMs: atMs, count: 1 };
};

const countOf = async (pool: PostgresPool, rows: string): Promise<number | undefined> =>
  (await pool.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${rows}`))[0]?.count;

const eventsIn = (body: string): readonly SecurityEvent[] => JSON.parse(body);

/** The ids of all accepted events, with repetitions. */
const acceptedIds = ({ accepted }: WebhookServer): string[] =>
  accepted.flatMap(({ body }) => eventsIn(body).map(({ id }) => id));

describe("the outbox", () => {
  const stops = new CleanupStack();
  let pool: PostgresPool;
  let webhook: WebhookServer;

  beforeAll(async () => {
    const database = await createDatabase(inject("servers").databaseUrl);
    stops.add(database.drop);
    pool = connectPostgres(database.url, { maxConnections: 8, log });
    stops.add(() => pool.close());
    await migrate(pool, await readMigrations());
  });
  afterAll(() => stops.runAll());

  let ending = new CleanupStack();
  beforeEach(async () => {
    ending = new CleanupStack();
    await pool.query("DELETE FROM security_event_outbox");
    webhook = await startWebhookServer();
    ending.add(() => webhook.stop());
  });
  afterEach(() => ending.runAll());

  const webhookOf = (timeoutMs?: number): Sink =>
    webhookSink({ url: webhook.url, token: "t", format: "json", serviceName: "test", timeoutMs });

  /** Starts one process's share of the work. */
  const run = (options: Partial<SecurityEventsOptions> = {}) => {
    const metrics = testMetrics();
    const events = createSecurityEvents({
      database: pool,
      sinks: [webhookOf()],
      meter: metrics.meter,
      log,
      ...options,
    });
    events.start();
    ending.add(() => events.stop());
    const count = async (name: string): Promise<number> => metric(await metrics.text(), name).sum;
    return { events, count };
  };

  const waiting = () => countOf(pool, "security_event_outbox WHERE dead_at IS NULL");
  const deadIds = async (): Promise<string[]> => {
    const dead = "SELECT event_id FROM security_event_outbox WHERE dead_at IS NOT NULL";
    return (await pool.query<{ event_id: string }>(dead)).map(({ event_id }) => event_id);
  };

  test("is delivered to the sink with the token", async () => {
    const { events, count } = run();
    const sent = [eventOf(), eventOf("2001:db8::1")];
    await events.ingest({ events: sent, dropped: { suspicious_activity: 3 } });
    await expect.poll(waiting, POLL).toBe(0);
    expect(acceptedIds(webhook).toSorted()).toEqual(sent.map(({ id }) => id).toSorted());
    expect(webhook.accepted[0]?.authorization).toBe("Bearer t");
    expect(await count("security_events_dropped_total")).toBe(3);
    expect(await count("security_events_total")).toBe(2);
  });

  test("stores an event once, however often an edge sends it", async () => {
    webhook.behave("fail");
    const reported: string[] = [];
    const onOffenses = (events: readonly SecurityEvent[]): void =>
      void reported.push(...events.map(({ id }) => id));
    const { events, count } = run({ onOffenses });
    const batch = { events: [eventOf()], dropped: {} };
    await events.ingest(batch);
    await events.ingest(batch);
    expect(await waiting()).toBe(1);
    expect(reported).toEqual(batch.events.map(({ id }) => id));
    expect(await count("security_events_total")).toBe(1);
  });

  test("stores an access once, although two origins have served its request", async () => {
    webhook.behave("fail");
    const requestId = randomUUID();
    const access = (atMs: number): Occurrence => ({
      ...{ type: "data_access", user: "alice", resource: "/v1/orders", action: "read" },
      ...{ atMs, client: "192.0.2.1", route: "listOrders", requestId, traceId: null },
    });
    // Each process writes both events of its own in one statement.
    for (const client of ["192.0.2.2", "192.0.2.3"]) {
      const { events } = run();
      events.record(access(Date.now()));
      events.record(refused(client, Date.now()));
      const written = `security_event_outbox WHERE event->>'client' = '${client}'`;
      await expect.poll(() => countOf(pool, written), POLL).toBe(1);
    }
    const accesses = "security_event_outbox WHERE event->>'type' = 'data_access'";
    expect(await countOf(pool, accesses)).toBe(1);
  });

  test.each([
    "fail",
    "hang",
    "down",
  ] as const)("keeps all events while the webhook is down (%s), and then delivers them", async (loss) => {
    const { events } = run({ sinks: [webhookOf(100)] });
    if (loss === "down") await webhook.stop();
    else webhook.behave(loss);
    const ids: string[] = [];
    for (let index = 0; index < 300; index += 1) {
      const event = eventOf();
      ids.push(event.id);
      await events.ingest({ events: [event], dropped: {} });
    }
    expect(await waiting()).toBe(300);
    if (loss === "down") await webhook.reopen();
    else webhook.behave("accept");
    await expect.poll(waiting, POLL).toBe(0);
    expect(new Set(acceptedIds(webhook))).toEqual(new Set(ids));
    expect(await deadIds()).toEqual([]);
  });

  test("repeats a delivery without a response, with the same id", async () => {
    webhook.behave("lose");
    const { events } = run();
    const event = eventOf();
    await events.ingest({ events: [event], dropped: {} });
    await expect.poll(() => webhook.accepted.length, POLL).toBeGreaterThan(0);
    webhook.behave("accept");
    await expect.poll(waiting, POLL).toBe(0);
    expect(new Set(acceptedIds(webhook))).toEqual(new Set([event.id]));
  });

  test("marks only the rejected event dead", async () => {
    const events = Array.from({ length: 20 }, () => eventOf());
    const poisoned = events[7]?.id ?? "";
    webhook.rejectContaining(poisoned);
    const { events: origin, count } = run();
    await origin.ingest({ events, dropped: {} });
    await expect.poll(waiting, POLL).toBe(0);
    expect(await deadIds()).toEqual([poisoned]);
    expect(acceptedIds(webhook).toSorted()).toEqual(
      events.flatMap(({ id }) => (id === poisoned ? [] : [id])).toSorted(),
    );
    await expect.poll(() => count("security_event_deliveries_total"), POLL).toBe(20);
  });

  test("belongs to the process that has stored it, until its lease ends", async () => {
    const { events } = run();
    const left = eventOf();
    const own = eventOf();
    await insertEvents(pool, [left], ["webhook"]);
    await events.ingest({ events: [own], dropped: {} });
    await expect.poll(waiting, POLL).toBe(1);
    expect(acceptedIds(webhook)).toEqual([own.id]);
    await pool.query("UPDATE security_event_outbox SET next_attempt_at = now()");
    await expect.poll(waiting, POLL).toBe(0);
    expect(acceptedIds(webhook)).toEqual([own.id, left.id]);
  });

  test("is delivered by several processes without duplicates", async () => {
    const processes = [run(), run(), run()];
    const events = Array.from({ length: 500 }, () => eventOf());
    await Promise.all(
      processes.map(({ events: origin }, index) =>
        origin.ingest({ events: events.filter((_, at) => at % 3 === index), dropped: {} }),
      ),
    );
    await expect.poll(waiting, POLL).toBe(0);
    expect(acceptedIds(webhook).toSorted()).toEqual(events.map(({ id }) => id).toSorted());
  });

  test("delivers to one sink while another one hangs", async () => {
    const hanging = await startWebhookServer();
    ending.add(() => hanging.stop());
    hanging.behave("hang");
    const slow = webhookSink({ url: hanging.url, format: "json", serviceName: "test" });
    const { events } = run({ sinks: [{ ...slow, name: "otlp" }, webhookOf()] });
    const sent = eventOf();
    await events.ingest({ events: [sent], dropped: {} });
    await expect.poll(() => acceptedIds(webhook), POLL).toEqual([sent.id]);
    // The row is deleted after the delivery.
    await expect.poll(waiting, POLL).toBe(1);
  });

  test("is bounded, and counts dropped events", async () => {
    webhook.behave("fail");
    const { events, count } = run({ maxWaiting: 10 });
    for (let index = 0; index < 25; index += 1) await events.ingest({ events: [eventOf()], dropped: {} });
    // Events added during a measurement may be counted twice until the next one, so fewer than ten may fit.
    const kept = (await waiting()) ?? 0;
    expect(kept).toBeGreaterThan(5);
    expect(kept).toBeLessThanOrEqual(10);
    expect(await count("security_events_dropped_total")).toBe(25 - kept);
    await expect.poll(() => count("security_event_outbox_rows"), POLL).toBe(kept);
  });

  test("marks undelivered events dead after a day, and removes dead ones after a week", async () => {
    const { events, count } = run({ sinks: [] });
    await events.stop();
    expect(await count("security_event_outbox_rows")).toBe(0);
    const insert = (age: string, deadFor: string | null) =>
      pool.query(
        `INSERT INTO security_event_outbox (event_id, sink, event, enqueued_at, dead_at)
         VALUES (gen_random_uuid(), 'webhook', '{}', now() - $1::interval, now() - $2::interval)`,
        [age, deadFor],
      );
    await insert("23 hours", null);
    await insert("25 hours", null);
    await insert("9 days", "6 days");
    await insert("9 days", "8 days");
    expect(await cleanOutbox(pool)).toEqual(["webhook"]);
    expect(await waiting()).toBe(1);
    expect((await deadIds()).length).toBe(2);
  });

  test("retries after the backoff", async () => {
    webhook.behave("fail");
    const { events } = run();
    await events.ingest({ events: [eventOf()], dropped: {} });
    await expect.poll(() => webhook.received.length, POLL).toBeGreaterThanOrEqual(4);
    const times = webhook.received.map(({ atMs }) => atMs);
    for (const [index, atMs] of times.slice(1).entries())
      expect(atMs - (times[index] ?? 0)).toBeGreaterThanOrEqual(backoffMs(index + 1, 1) - 1);
  });

  test("drops and counts the oldest queued events while the database is down", async () => {
    const down = connectPostgres("postgres://user@127.0.0.1:9/none", { maxConnections: 2, log });
    ending.add(() => down.close());
    const { events, count } = run({ database: down });
    for (let index = 0; index < 10_500; index += 1) {
      events.record({
        type: "data_access",
        user: "alice",
        resource: `/v1/orders/${index}`,
        action: "read",
        atMs: Date.now(),
        client: "192.0.2.1",
        route: "getOrder",
        requestId: randomUUID(),
        traceId: null,
      });
    }
    await expect.poll(() => count("security_events_dropped_total"), POLL).toBeGreaterThanOrEqual(100);
    expect(await count("security_events_dropped_total")).toBeLessThanOrEqual(500);
    await expect(events.ingest({ events: [eventOf()], dropped: {} })).rejects.toThrow();
  });
});

describe("an origin", () => {
  const stops = new CleanupStack();
  let backing: Backing;
  let origin: OriginProcess;
  let webhook: WebhookServer;
  let api: string;
  let admin: string;
  let product: string;

  beforeAll(async () => {
    backing = await startBacking();
    stops.add(() => backing.stop());
    webhook = await startWebhookServer();
    stops.add(() => webhook.stop());
    origin = runOrigin({ environment: { ...backing.environment, SIEM_URL: webhook.url, SIEM_TOKEN: "t" } });
    stops.add(() => origin.kill());
    await origin.logged("ready");
    await backing.addSampleData(1_000);
    ({ api, admin } = await origin.addresses());
    const list = await sendSigned(api, "/v1/products");
    const { items }: { items: { id: string }[] } = JSON.parse(list.body);
    product = items[0]?.id ?? "";
  });
  afterAll(() => stops.runAll());

  const accesses = (): readonly SecurityEvent[] =>
    webhook.accepted.flatMap(({ body }) => eventsIn(body)).filter(({ type }) => type === "data_access");
  const accessesTo = (resource: string) =>
    accesses().flatMap((event) =>
      event.type === "data_access" && event.resource === resource ? [event] : [],
    );

  test("reports reads and writes of sensitive data to all sinks", async () => {
    const placed = await placeOrder(api, product);
    expect(placed.status).toBe(201);
    await expect
      .poll(() => accessesTo("/v1/orders"), POLL)
      .toMatchObject([
        { user: "alice", action: "write", client: "192.0.2.1", route: "placeOrder", count: 1 },
      ]);
    const path = placed.headers.location ?? "";
    expect((await sendSigned(api, path, { principal: "alice" })).status).toBe(200);
    await expect.poll(() => accessesTo(path), POLL).toMatchObject([{ user: "alice", action: "read" }]);
    // Unlike an order, a cancellation creates no row with which its event could be stored.
    const cancellation = { method: "POST", principal: "alice" };
    expect((await sendSigned(api, `${path}/cancel`, cancellation)).status).toBe(200);
    await expect
      .poll(() => accessesTo(`${path}/cancel`), POLL)
      .toMatchObject([{ user: "alice", action: "write", route: "cancelOrder", count: 1 }]);
    await expect.poll(() => origin.all("security event").length, POLL).toBe(accesses().length);
  });

  test("reports a write with an idempotency key once, and each replay once", async () => {
    const place = () =>
      placeOrder(api, product, { principal: "dora", headers: { "idempotency-key": "one-and-the-same" } });
    const reported = (): number =>
      accesses()
        .filter((event) => event.type === "data_access" && event.user === "dora")
        .reduce((sum, { count }) => sum + count, 0);
    expect((await place()).status).toBe(201);
    await expect.poll(reported, POLL).toBe(1);
    for (let again = 0; again < 2; again += 1)
      expect((await place()).headers["idempotency-replayed"]).toBe("true");
    await expect.poll(reported, POLL).toBe(3);
  });

  test("reports neither rejected requests nor access to other data", async () => {
    const before = accesses().length;
    const absent = `/v1/orders/${randomUUID()}`;
    expect((await sendSigned(api, absent, { principal: "alice" })).status).toBe(404);
    const short = await sendSigned(api, "/v1/orders", {
      method: "POST",
      json: { lines: [{ productId: product, quantity: 100_000 }] },
      principal: "alice",
    });
    expect(short.status).toBeGreaterThanOrEqual(400);
    expect((await sendSigned(api, "/v1/products")).status).toBe(200);
    // Earlier events have arrived by then.
    expect((await placeOrder(api, product)).status).toBe(201);
    await expect.poll(() => accesses().length, POLL).toBe(before + 1);
  });

  test("fails a write whose event cannot be stored", async () => {
    const pool = connectPostgres(backing.databaseUrl, { maxConnections: 1, log });
    const ordered = () => countOf(pool, "orders WHERE principal = 'carol'");
    const lock = await hold(backing.databaseUrl, "LOCK TABLE security_event_outbox IN ACCESS EXCLUSIVE MODE");
    const place = (timeoutMs: number) => placeOrder(api, product, { principal: "carol", timeoutMs });
    try {
      expect((await place(500)).status).toBeGreaterThanOrEqual(500);
      expect(await ordered()).toBe(0);
    } finally {
      await lock.release();
    }
    await expect.poll(async () => (await place(15_000)).status, POLL).toBe(201);
    const orders = await ordered();
    await pool.close();
    const byCarol = () =>
      accesses().filter((event) => event.type === "data_access" && event.user === "carol");
    await expect.poll(() => byCarol().length, POLL).toBe(orders);
  });

  test("accepts an edge's batch, and rejects an invalid one", async () => {
    const event = eventOf();
    const post = (json: unknown) => sendSigned(api, "/_edge/events", { method: "POST", json });
    const answer = await post({ events: [event], dropped: { auth_failure: 4 } });
    expect(answer.status).toBe(204);
    await expect.poll(() => acceptedIds(webhook), POLL).toContain(event.id);
    expect((await post({ events: [{ ...event, count: -1 }], dropped: {} })).status).toBe(400);
    const text = await (await fetch(`${admin}/metrics`)).text();
    expect(text).toContain('security_events_dropped_total{type="auth_failure",where="edge"} 4');
    expect((await fetch(`${api}/_edge/events`, { method: "POST", body: "{}" })).status).toBe(401);
  });

  test("stores the last events before it ends", async () => {
    await webhook.stop();
    expect((await sendSigned(api, "/v1/orders", { principal: "bob" })).status).toBe(200);
    origin.signal("SIGTERM");
    expect((await origin.exited).code).toBe(0);
    const pool = connectPostgres(backing.databaseUrl, { maxConnections: 1, log });
    const kept = await countOf(
      pool,
      "security_event_outbox WHERE event->>'user' = 'bob' AND sink = 'webhook'",
    );
    await pool.close();
    expect(kept).toBe(1);
  });
});
