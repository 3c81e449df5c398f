import { describe, expect, test } from "vitest";
import type { RedisCommand } from "../../../src/edge/stores/redis.ts";
import { createActiveTrace, type RequestTrace, tracedRedis } from "../../../src/edge/telemetry/tracing.ts";

/** A trace that notes what commands were begun and ended below it. */
const noting = (notes: unknown[][]): RequestTrace => ({
  traceId: "0190a0b412344abc8def0123456789ab",
  spanId: "00f067aa0ba902b7",
  beginAttempt: () => ({ spanId: "b7ad6b7169203331", end: () => undefined }),
  beginCommand: (name, startedMs) => {
    notes.push(["begun", name, startedMs]);
    return { end: (error, endedMs) => void notes.push(["ended", error, endedMs]) };
  },
  end: () => undefined,
});

const start = (command: RedisCommand) => {
  const active = createActiveTrace();
  const notes: unknown[][] = [];
  let nowMs = 1_000;
  const redis = tracedRedis(command, active, () => {
    nowMs += 5;
    return nowMs;
  });
  return { active, notes, redis, trace: noting(notes) };
};

describe("a command of a request whose trace is kept", () => {
  test("is a span of its own, by its name in upper case, and answers what Redis does", async () => {
    const sent: (readonly unknown[])[] = [];
    const { active, notes, redis, trace } = start(async (...parts) => {
      sent.push(parts);
      return ["1", null];
    });
    const reply = await active.run(trace, () => redis("hmget", "key", 7));
    expect(reply).toEqual(["1", null]);
    expect(sent).toEqual([["hmget", "key", 7]]);
    expect(notes).toEqual([
      ["begun", "HMGET", 1_005],
      ["ended", undefined, 1_010],
    ]);
  });

  test("that fails does so with its own error, and its span tells of it", async () => {
    const error = new Error("away");
    const { active, notes, redis, trace } = start(async () => {
      throw error;
    });
    await expect(active.run(trace, () => redis("PING"))).rejects.toBe(error);
    expect(notes.at(-1)).toEqual(["ended", error, 1_010]);
  });

  test("is that of its own request, however many there are at a time", async () => {
    const { active, redis } = start(async () => null);
    const ofEach = await Promise.all(
      ["A", "B", "C"].map(async (name) => {
        const notes: unknown[][] = [];
        await active.run(noting(notes), async () => {
          await Promise.resolve();
          await redis(name);
        });
        return notes.filter(([what]) => what === "begun").map(([, command]) => command);
      }),
    );
    expect(ofEach).toEqual([["A"], ["B"], ["C"]]);
  });
});

test("of a request whose trace is not kept nothing is noted", async () => {
  const { active, notes, redis, trace } = start(async () => "PONG");
  expect(await active.run(undefined, () => redis("PING"))).toBe("PONG");
  await active.run(trace, async () => undefined);
  expect(await redis("PING")).toBe("PONG");
  expect(notes).toEqual([]);
});
