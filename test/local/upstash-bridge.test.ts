import { Redis } from "@upstash/redis";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { isOnPath } from "../../src/local/child-process.ts";
import { type LocalRedis, startRedis } from "../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../src/local/upstash-bridge.ts";

const token = "token";
const kinds = isOnPath("redis-server") ? ["redis-server", "ioredis-mock"] : ["ioredis-mock"];

const post = (url: string, body: string): Promise<Response> =>
  fetch(url, { method: "POST", body, headers: { authorization: `Bearer ${token}` } });

describe.each(kinds)("a bridge to %s", (kind) => {
  let redis: LocalRedis;
  let bridge: UpstashBridge;
  beforeAll(async () => {
    vi.stubEnv("BREAKWATER_EMBEDDED_REDIS", kind === "ioredis-mock" ? "mock" : "");
    redis = await startRedis();
    bridge = await startUpstashBridge({ client: redis.client, token });
  });
  afterAll(async () => {
    await bridge.stop();
    await redis.stop();
    vi.unstubAllEnvs();
  });

  const connect = (
    options: { token?: string; automaticDeserialization?: boolean; responseEncoding?: false } = {},
  ): Redis => new Redis({ url: bridge.url, token, retry: false, enableTelemetry: false, ...options });

  it.each([
    ["base64", {}],
    ["plain", { responseEncoding: false }],
  ] as const)("returns stored values, %s", async (_, options) => {
    const client = connect(options);
    expect(await client.set("text", "grüße 🌊")).toBe("OK");
    expect(await client.get("text")).toBe("grüße 🌊");
    expect(await client.get("missing")).toBeNull();
    expect(await client.set("json", { a: [1, null, "x"] })).toBe("OK");
    expect(await client.get("json")).toEqual({ a: [1, null, "x"] });
    expect(await client.incrby("count", 3)).toBeGreaterThanOrEqual(3);
  });

  it("reads hashes, even with a stored OK", async () => {
    const client = connect({ automaticDeserialization: false });
    await client.del("hash");
    await client.hset("hash", { one: "OK", two: '{"a":2}' });
    expect(await client.hget("hash", "one")).toBe("OK");
    // Without deserialization the client returns lists.
    expect(await client.hmget("hash", "one", "two", "none")).toEqual(["OK", '{"a":2}', null]);
    expect(await client.hgetall("hash")).toEqual(["one", "OK", "two", '{"a":2}']);
  });

  it("runs a pipeline item by item, in order", async () => {
    const pipeline = connect().pipeline();
    pipeline.set("item", 1).incr("item").get("item").eval("return (", [], []).incr("item");
    const results = await pipeline.exec({ keepErrors: true });
    expect(results.map(({ error, result }) => error?.replace(/ .*/s, "") ?? result)).toEqual([
      ...["OK", 2, 2, "ERR", 3],
    ]);
  });

  it("rejects another token", async () => {
    await expect(connect({ token: "wrong" }).get("text")).rejects.toThrow("Unauthorized");
    const bare = await fetch(bridge.url, { method: "POST", body: '["PING"]' });
    expect([bare.status, await bare.json()]).toEqual([401, { error: "Unauthorized" }]);
  });

  it.each([
    ["an error of the server", "/", '["NOSUCH"]', 400],
    ["invalid JSON", "/", "[", 400],
    ["no command", "/", "{}", 400],
    ["an empty command", "/", "[]", 400],
    ["an argument that is not text", "/", '["GET", {}]', 400],
    ["a pipeline with another element", "/pipeline", '[["PING"], "PING"]', 400],
    ["an unknown path", "/nothing", '["PING"]', 404],
    ["a body over 10 MiB", "/", JSON.stringify(["SET", "big", "x".repeat(10 * 1024 * 1024)]), 413],
  ])("rejects %s", async (_, path, body, status) => {
    const response = await post(bridge.url + path, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ error: expect.stringMatching(/^ERR /) });
  });
});

it("a bridge without its server responds 503, and none once it has stopped", async () => {
  const client = { run: () => Promise.reject(new Error("lost")) };
  const bridge = await startUpstashBridge({ client, token });
  onTestFinished(() => bridge.stop());
  expect((await post(bridge.url, '["PING"]')).status).toBe(503);
  await Promise.all([bridge.stop(), bridge.stop()]);
  await expect(fetch(bridge.url)).rejects.toThrow();
});
