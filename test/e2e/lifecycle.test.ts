/** One origin process from startup to shutdown. */
import { execFile } from "node:child_process";
import { connect } from "node:net";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { startDoor } from "../../src/local/door.ts";
import { childEnvironment } from "../../src/local/environment.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { readMigrations } from "../../src/origin/db/migrate.ts";
import { type Backing, placeOrder, type Reply, send, sendSigned, startBacking } from "../support/backing.ts";
import { exitOf, faultsOption, type OriginProcess, runOrigin } from "../support/origin-process.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";

const STOPPED = { code: 0, signal: null };
const FAILED = { code: 1, signal: null };
const PRODUCT = sampleProductId(6);

let backing: Backing;
beforeAll(async () => {
  backing = await startBacking();
});
afterAll(() => backing?.stop());

const begun: OriginProcess[] = [];
const begin = (environment: Readonly<Record<string, string>> = {}): OriginProcess => {
  const origin = runOrigin({ environment: { ...backing.environment, ...environment } });
  begun.push(origin);
  return origin;
};
afterEach(async () => {
  for (const origin of begun.splice(0)) await origin.kill();
});

interface Busy {
  readonly origin: OriginProcess;
  readonly api: string;
  readonly admin: string;
  /** Requests that wait for a locked row; undefined for one that was cut off. */
  readonly replies: Promise<(Reply | undefined)[]>;
  /** Unlocks the row. */
  release(): Promise<void>;
}

/** A ready origin with requests in flight that end only when released. */
const beginBusy = async (environment: Readonly<Record<string, string>> = {}, count = 1): Promise<Busy> => {
  const origin = begin(environment);
  const { api, admin } = await origin.addresses();
  await origin.logged("ready");
  await backing.addSampleData();
  // Statements of an origin that was killed.
  await expect.poll(backing.waiting).toBe(0);
  const lock = await backing.lockProduct(PRODUCT);
  const replies = Promise.all(
    Array.from({ length: count }, () => placeOrder(api, PRODUCT).catch(() => undefined)),
  );
  await expect.poll(backing.waiting).toBe(count);
  return { origin, api, admin, replies, release: lock.release };
};

const isListening = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });

describe("an origin that receives a signal", () => {
  test("is unready immediately, serves during the pre-stop time, finishes its requests, and exits 0", async () => {
    const { origin, api, admin, replies, release } = await beginBusy({
      PRE_STOP: "2s",
      DRAIN_TIMEOUT: "20s",
    });
    expect((await send(`${api}/ready`)).status).toBe(200);
    const before = await sendSigned(api, "/v1/products");
    expect([before.status, before.headers.connection]).toEqual([200, "keep-alive"]);

    origin.signal("SIGTERM");
    await origin.logged("draining");
    for (const url of [api, admin]) {
      const ready = await send(`${url}/ready`);
      expect(ready.status).toBe(503);
      expect(JSON.parse(ready.body)).toMatchObject({ ready: false, migrated: true, draining: true });
      expect((await send(`${url}/health`)).status).toBe(200);
    }
    const meanwhile = await sendSigned(api, "/v1/products");
    expect([meanwhile.status, meanwhile.headers.connection]).toEqual([200, "close"]);

    await expect.poll(() => isListening(api), { timeout: 10_000 }).toBe(false);
    expect((await send(`${admin}/health`)).status).toBe(200);
    await release();
    const [reply] = await replies;
    expect([reply?.status, reply?.headers.connection]).toEqual([201, "close"]);
    expect(await exitOf(origin)).toEqual(STOPPED);
    expect(origin.entries.filter(({ level }) => level === "error" || level === "fatal")).toEqual([]);
    expect(origin.all("requests were cut off: the drain took too long")).toEqual([]);
  });

  test("cuts off and counts requests that outlast the drain, and exits 0", async () => {
    const { origin, replies, release } = await beginBusy({ DRAIN_TIMEOUT: "300ms" }, 2);
    origin.signal("SIGTERM");
    expect(await replies).toEqual([undefined, undefined]);
    expect(await exitOf(origin)).toEqual(STOPPED);
    expect(origin.all("requests were cut off: the drain took too long")).toMatchObject([{ cutOff: 2 }]);
    await release();
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("ends immediately on a second signal during the drain: %s, exit %d", async (signal, code) => {
    const { origin, replies, release } = await beginBusy({ PRE_STOP: "60s" });
    origin.signal("SIGTERM");
    await origin.logged("draining");
    origin.signal(signal);
    expect(await exitOf(origin, 5_000)).toEqual({ code, signal: null });
    expect(await replies).toEqual([undefined]);
    await release();
  });

  test("ends in time while its database hangs", async () => {
    const door = await startDoor(backing.databaseUrl);
    const origin = begin({
      DATABASE_URL: door.url,
      DATABASE_MIN_CONNECTIONS: "2",
      DATABASE_CONNECT_TIMEOUT: "1s",
      DRAIN_TIMEOUT: "1s",
    });
    await origin.logged("ready");
    door.shut();
    origin.signal("SIGTERM");
    expect(await exitOf(origin, 30_000)).toEqual(STOPPED);
    await door.stop();
  });
});

describe("an uncaught error", () => {
  test.each([
    ["an exception", "exception", "thrown on purpose"],
    ["a rejection", "rejection", "rejected on purpose"],
  ])("is logged, lets requests finish, and ends the process with 1: %s", async (_, FAULT, message) => {
    const { origin, api, replies, release } = await beginBusy({
      FAULT,
      NODE_OPTIONS: faultsOption,
      PRE_STOP: "100ms",
    });
    origin.signal("SIGUSR2");
    expect(await origin.logged("uncaught")).toMatchObject({ level: "fatal", err: { message } });
    await expect.poll(() => isListening(api), { timeout: 10_000 }).toBe(false);
    await release();
    expect((await replies).map((reply) => reply?.status)).toEqual([201]);
    expect(await exitOf(origin)).toEqual(FAILED);
  });
});

describe("an origin that starts", () => {
  test("waits for migrations that run separately, logs their names, and becomes ready", async () => {
    const fresh = await startBacking();
    try {
      const origin = begin({ ...fresh.environment, DATABASE_MIGRATE: "apart" });
      const { api } = await origin.addresses();
      const names = (await readMigrations()).map(({ name }) => name);
      expect(await origin.logged("waiting for migrations")).toMatchObject({ pending: names, retryInMs: 100 });
      expect((await send(`${api}/ready`)).status).toBe(503);
      expect((await sendSigned(api, "/v1/products")).status).toBe(503);
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["src/ops/admin.ts", "migrate", "--external"],
        {
          cwd: projectFolder,
          env: { ...childEnvironment(), DATABASE_URL: fresh.databaseUrl },
        },
      );
      expect(stdout.trim().split("\n")).toEqual(names);
      await origin.logged("ready");
      expect((await send(`${api}/ready`)).status).toBe(200);
      expect((await sendSigned(api, "/v1/products")).status).toBe(200);
      expect(origin.all("migrated")).toEqual([]);
    } finally {
      await begun[0]?.kill();
      await fresh.stop();
    }
  });

  describe("with a PostgreSQL of its own", () => {
    let postgres: OwnPostgres;
    beforeAll(async () => {
      postgres = await startOwnPostgres();
    });
    afterAll(() => postgres?.remove());

    test.each([
      ["a wrong password", { password: "wrong" }, "28P01"],
      ["an unknown role", { username: "unknown" }, "28P01"],
      ["an unknown database", { pathname: "/nowhere" }, "3D000"],
    ])("exits 1 with the reason for an unrecoverable error: %s", async (_, parts, code) => {
      const { href } = Object.assign(new URL(postgres.url), parts);
      const origin = begin({ DATABASE_URL: href });
      expect(await exitOf(origin)).toEqual(FAILED);
      expect(origin.entries.filter(({ level }) => level === "fatal")).toMatchObject([
        { message: "the origin cannot run", err: { code } },
      ]);
      expect(origin.all("waiting for the database")).toEqual([]);
    });

    test("waits for a late database, logs it, and becomes ready", async () => {
      await postgres.stop();
      const origin = begin({ DATABASE_URL: postgres.url });
      const { api } = await origin.addresses();
      expect(await origin.logged("waiting for the database")).toMatchObject({
        level: "warn",
        retryInMs: 100,
      });
      expect((await send(`${api}/ready`)).status).toBe(503);
      expect((await send(`${api}/health`)).status).toBe(200);
      await postgres.start();
      await origin.logged("ready");
      const ready = await send(`${api}/ready`);
      expect(ready.status).toBe(200);
      expect(JSON.parse(ready.body)).toMatchObject({ ready: true, migrated: true });
      expect(origin.all("migrated")).toHaveLength(1);
    });
  });
});
