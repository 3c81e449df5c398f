import { describe, expect, test } from "vitest";
import type { ChildExit } from "../../src/local/child-process.ts";
import { supervise } from "../../src/local/supervisor.ts";

const KILLED: ChildExit = { code: null, signal: "SIGKILL" };

const createServer = () => {
  const exit = Promise.withResolvers<ChildExit>();
  const end = (): void => exit.resolve(KILLED);
  return { pid: 1, exited: exit.promise, end, stop: async () => end() };
};

/** A supervisor whose delays pass at once. @param lifeMs how long each server lives */
const startSupervisor = ({ ends, lifeMs = 0 }: { ends: number; lifeMs?: number }) => {
  const delays: number[] = [];
  const lines: string[] = [];
  const first = createServer();
  const last = createServer();
  const finished = Promise.withResolvers<void>();
  let started = 0;
  let nowMs = 0;
  const supervisor = supervise({
    name: "origin 1",
    first,
    start: async () => {
      started += 1;
      if (started === ends) {
        finished.resolve();
        return last;
      }
      const server = createServer();
      server.end();
      return server;
    },
    print: (line) => void lines.push(line),
    wait: async (ms) => void delays.push(ms),
    now: () => {
      nowMs += lifeMs;
      return nowMs;
    },
  });
  return { first, last, ...supervisor, delays, lines, finished: finished.promise };
};

describe("a server that ends", () => {
  test("is started again, with a line for each", async () => {
    const { first, stop, lines, finished } = startSupervisor({ ends: 1 });
    first.end();
    await finished;
    await expect
      .poll(() => lines)
      .toEqual([
        "  ! origin 1 has exited unexpectedly (SIGKILL): it starts again in 1 s",
        "  ✓ origin 1 runs again (process 1)",
      ]);
    await stop();
  });

  test("again and again is started again after delays that double up to 30 s", async () => {
    const { first, stop, delays, finished } = startSupervisor({ ends: 7 });
    first.end();
    await finished;
    expect(delays).toEqual([1, 2, 4, 8, 16, 30, 30].map((seconds) => seconds * 1_000));
    await stop();
  });

  test("after more than a minute is started again after a second", async () => {
    const { first, stop, delays, finished } = startSupervisor({ ends: 3, lifeMs: 60_001 });
    first.end();
    await finished;
    expect(delays).toEqual([1_000, 1_000, 1_000]);
    await stop();
  });

  test("and does not start again is tried again later", async () => {
    const first = createServer();
    const lines: string[] = [];
    const starting = [
      () => Promise.reject(new Error("origin 1 did not start: port taken")),
      async () => createServer(),
    ];
    const supervisor = supervise({
      name: "origin 1",
      first,
      start: () => starting.shift()?.() ?? new Promise(() => {}),
      print: (line) => void lines.push(line),
      wait: async () => {},
    });
    first.end();
    await expect
      .poll(() => lines.slice(1))
      .toEqual([
        "  ! origin 1 did not start: port taken",
        "  ! origin 1 did not start: it starts again in 2 s",
        "  ✓ origin 1 runs again (process 1)",
      ]);
    await supervisor.stop();
  });

  test("because it is stopped stays stopped", async () => {
    const { last, first, stop, lines, finished } = startSupervisor({ ends: 1 });
    first.end();
    await finished;
    await stop();
    expect(await last.exited).toEqual(KILLED);
    expect(lines.filter((line) => line.includes("unexpectedly"))).toHaveLength(1);
  });
});

describe("a server that is replaced", () => {
  test("is stopped and started again at once, without a delay", async () => {
    const { first, replace, stop, delays, lines } = startSupervisor({ ends: 1 });
    expect(await replace()).toBe(true);
    expect(await first.exited).toEqual(KILLED);
    expect(lines).toEqual(["  ✓ origin 1 runs again (process 1)"]);
    expect(delays).toEqual([]);
    await stop();
  });

  test("and whose end is noticed late is not started twice", async () => {
    const exit = Promise.withResolvers<ChildExit>();
    const lines: string[] = [];
    const { replace, stop } = supervise({
      name: "edge",
      first: { pid: 1, exited: exit.promise, stop: async () => undefined },
      start: async () => ({ ...createServer(), pid: 2 }),
      print: (line) => void lines.push(line),
      wait: async () => {},
    });
    expect(await replace()).toBe(true);
    exit.resolve(KILLED);
    // By now, a second start would have been printed.
    for (let turn = 0; turn < 20; turn += 1) await exit.promise;
    expect(lines).toEqual(["  ✓ edge runs again (process 2)"]);
    await stop();
  });

  test("while it waits to be started is started at once", async () => {
    const first = createServer();
    const lines: string[] = [];
    const { replace, stop } = supervise({
      name: "origin 1",
      first,
      start: async () => createServer(),
      print: (line) => void lines.push(line),
      wait: (_ms, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    });
    first.end();
    await expect.poll(() => lines).toHaveLength(1);
    expect(await replace()).toBe(true);
    expect(lines.slice(1)).toEqual(["  ✓ origin 1 runs again (process 1)"]);
    await stop();
  });

  test("and does not start is reported, with the reason", async () => {
    const lines: string[] = [];
    const { replace, stop } = supervise({
      name: "origin 1",
      first: createServer(),
      start: () => Promise.reject(new Error("origin 1 did not start: a defect")),
      print: (line) => void lines.push(line),
      wait: (_ms, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    });
    expect(await replace()).toBe(false);
    expect(lines[0]).toBe("  ! origin 1 did not start: a defect");
    await stop();
  });
});

describe("a server that is held", () => {
  test("is started again only when it is released, and then at once", async () => {
    const { first, hold, release, stop, lines, finished } = startSupervisor({ ends: 1 });
    hold();
    first.end();
    await expect.poll(() => lines).toHaveLength(1);
    await new Promise(setImmediate);
    expect(lines).toHaveLength(1);
    release();
    await finished;
    await expect.poll(() => lines.at(-1)).toBe("  ✓ origin 1 runs again (process 1)");
    await stop();
  });

  test("can be stopped for good", async () => {
    const { first, hold, stop, lines } = startSupervisor({ ends: 1 });
    hold();
    first.end();
    await expect.poll(() => lines).toHaveLength(1);
    await stop();
    expect(lines).toHaveLength(1);
  });
});
