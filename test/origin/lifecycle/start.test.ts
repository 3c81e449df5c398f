/** An origin without dependencies: its log, its waiting and its failures at startup. */
import { createServer } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { close, listen } from "../../support/listen.ts";
import {
  exitOf,
  faultsOption,
  isAlive,
  type OriginProcess,
  type RunOptions,
  runOrigin,
} from "../../support/origin-process.ts";

const run = (options?: RunOptions): OriginProcess => {
  const origin = runOrigin(options);
  onTestFinished(() => origin.kill());
  return origin;
};

const STOPPED = { code: 0, signal: null };
const FAILED = { code: 1, signal: null };

describe.each([
  ["one process", {}],
  ["two workers", { WORKERS: "2" }],
])("an origin of %s whose dependencies are down", (_, environment) => {
  test("runs, is not ready, logs what it waits for, and exits 0 on SIGTERM", async () => {
    const origin = run({ environment });
    const { api, admin } = await origin.addresses();
    for (const url of [api, admin]) {
      expect((await fetch(`${url}/health`)).status).toBe(200);
      const ready = await fetch(`${url}/ready`);
      expect(ready.status).toBe(503);
      expect(await ready.json()).toMatchObject({ ready: false, migrated: false });
    }
    expect(await (await fetch(`${api}/ready`)).json()).toMatchObject({
      dependencies: { database: "down", redis: "down" },
    });
    const waiting = await origin.logged("waiting for the database");
    expect(waiting).toMatchObject({ level: "warn", retryInMs: 100, err: { type: "UnavailableError" } });
    origin.signal("SIGTERM");
    expect(await exitOf(origin)).toEqual(STOPPED);
    expect(origin.entries.filter(({ level }) => level === "fatal" || level === "error")).toEqual([]);
    expect(origin.all("ready")).toEqual([]);
  });

  test.each(["PORT", "ADMIN_PORT"])("exits 1 with a log line if its %s is in use", async (name) => {
    const server = createServer();
    onTestFinished(() => close(server));
    const origin = run({ environment: { ...environment, [name]: String(await listen(server)) } });
    expect(await exitOf(origin)).toEqual(FAILED);
    expect(origin.entries).toContainEqual(
      expect.objectContaining({ level: "fatal", err: expect.objectContaining({ code: "EADDRINUSE" }) }),
    );
  });
});

test("the pause between two attempts to reach the database grows", async () => {
  const origin = run();
  await expect.poll(() => origin.all("waiting for the database").length, { timeout: 10_000 }).toBe(4);
  expect(origin.all("waiting for the database").map(({ retryInMs }) => retryInMs)).toEqual([
    100, 200, 400, 800,
  ]);
  origin.signal("SIGINT");
  expect(await exitOf(origin)).toEqual(STOPPED);
});

test("workers share one free port if none is configured, and the log contains it", async () => {
  const origin = run({ environment: { WORKERS: "2" } });
  const { api } = await origin.addresses();
  expect(new URL(api).port).not.toBe("0");
  expect(origin.all("listening")).toHaveLength(1);
  origin.signal("SIGTERM");
  expect(await exitOf(origin)).toEqual(STOPPED);
});

test("if the primary is killed, its workers end", async () => {
  const origin = run({ environment: { WORKERS: "2" } });
  await origin.addresses();
  await expect.poll(() => pidsOf(origin).length, { timeout: 25_000 }).toBe(2);
  const pids = pidsOf(origin);
  process.kill(origin.pid, "SIGKILL");
  expect(await exitOf(origin)).toEqual({ code: null, signal: "SIGKILL" });
  await expect.poll(() => pids.filter(isAlive), { timeout: 10_000 }).toEqual([]);
});

test("an uncaught error in the primary ends it with 1, and its workers too", async () => {
  const origin = run({ environment: { WORKERS: "2", NODE_OPTIONS: faultsOption } });
  await origin.addresses();
  origin.signal("SIGUSR2");
  expect(await exitOf(origin)).toEqual(FAILED);
  expect(origin.all("uncaught")).toMatchObject([{ level: "fatal", pid: origin.pid }]);
  const pids = origin.all("heap").map(({ pid }) => Number(pid));
  expect(pids).toHaveLength(3);
  await expect.poll(() => pids.filter(isAlive)).toEqual([]);
});

/** The workers that have logged a line. */
const pidsOf = (origin: OriginProcess): number[] => [
  ...new Set(origin.all("waiting for the database").map(({ pid }) => Number(pid))),
];

test.each([
  "--max-old-space-size=512",
  "--max-old-space-size-percentage=10",
])("workers share the heap of the origin: %s", async (option) => {
  const origin = run({
    environment: { WORKERS: "2", NODE_OPTIONS: `${faultsOption} ${option}` },
  });
  await expect.poll(() => origin.all("heap").length, { timeout: 25_000 }).toBe(3);
  const [whole, ...parts] = origin.all("heap").map(({ heapMiB }) => Number(heapMiB));
  expect(parts).toEqual([Math.floor((whole ?? 0) / 2), Math.floor((whole ?? 0) / 2)]);
});
