import { createHash, randomBytes } from "node:crypto";
import { Redis } from "@upstash/redis";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { isOnPath } from "../../src/local/child-process.ts";
import { type LocalRedis, startRedis } from "../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../src/local/upstash-bridge.ts";

const token = randomBytes(16).toString("hex");
const kinds = isOnPath("redis-server") ? ["redis-server", "ioredis-mock"] : ["ioredis-mock"];

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
    expect(await client.set("text", "other", { nx: true })).toBeNull();
  });

  it("distinguishes a stored OK from its own", async () => {
    const client = connect({ automaticDeserialization: false });
    await client.hset("oks", { a: "OK", b: "" });
    expect(await client.hget("oks", "a")).toBe("OK");
    expect(await client.eval("return {'OK', {'OK', {'OK'}}}", [], [])).toEqual(["OK", ["OK", ["OK"]]]);
  });

  it("reads hashes without deserialization", async () => {
    const client = connect({ automaticDeserialization: false });
    await client.del("hash");
    await client.hset("hash", { one: "1", two: '{"a":2}' });
    expect(await client.hget("hash", "one")).toBe("1");
    expect(await client.hget("hash", "none")).toBeNull();
    // Without deserialization the client leaves these as the server's lists.
    expect(await client.hmget("hash", "one", "two", "none")).toEqual(["1", '{"a":2}', null]);
    expect(await client.hgetall("hash")).toEqual(["one", "1", "two", '{"a":2}']);
  });

  it("runs scripts", async () => {
    const client = connect({ automaticDeserialization: false });
    const script = `
      local now = redis.call('TIME')
      redis.call('HSET', KEYS[1], 'value', ARGV[1], 'at', now[1])
      redis.call('PEXPIRE', KEYS[1], 60000)
      return {tonumber(ARGV[1]), redis.call('HGET', KEYS[1], 'value'), false, {1, 'deep'}}`;
    expect(await client.eval(script, ["scripted"], ["7"])).toEqual([7, "7", null, [1, "deep"]]);
    expect(await client.pttl("scripted")).toBeGreaterThan(0);
  });

  it("runs a pipeline item by item, in order", async () => {
    const pipeline = connect().pipeline();
    pipeline.set("item", 1).incr("item").get("item").eval("return (", [], []).incr("item");
    const results = await pipeline.exec({ keepErrors: true });
    expect(results.map(({ error, result }) => error?.replace(/ .*/s, "") ?? result)).toEqual([
      "OK",
      2,
      2,
      "ERR",
      3,
    ]);
  });

  it("rejects another token", async () => {
    await expect(connect({ token: "wrong" }).get("text")).rejects.toThrow("Unauthorized");
    const bare = await fetch(bridge.url, { method: "POST", body: '["PING"]' });
    expect([bare.status, await bare.json()]).toEqual([401, { error: "Unauthorized" }]);
  });

  it("reports errors of the server", async () => {
    await expect(connect().eval("return (", [], [])).rejects.toThrow("Command failed: ERR ");
    await expect(connect().exec(["NOSUCH"])).rejects.toThrow("ERR unknown command 'NOSUCH'");
  });

  const post = (path: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> =>
    fetch(bridge.url + path, { method: "POST", body, headers: { authorization: `Bearer ${token}` } });

  it.each([
    ["invalid JSON", "/", "[", 400],
    ["no command", "/", "{}", 400],
    ["an empty command", "/", "[]", 400],
    ["an argument that is not text", "/", '["GET", {}]', 400],
    ["an empty pipeline", "/pipeline", "[]", 400],
    ["a pipeline with another element", "/pipeline", '[["PING"], "PING"]', 400],
    ["a command that would block the connection", "/", '["blpop", "list", "0"]', 400],
    ["a command that would change the connection", "/pipeline", '[["SELECT", "1"]]', 400],
    ["an unknown path", "/nothing", '["PING"]', 404],
    ["the name of an object method as a path", "/constructor", '["PING"]', 404],
    ["a body over 10 MiB", "/", JSON.stringify(["SET", "big", "x".repeat(10 * 1024 * 1024)]), 413],
  ])("rejects %s", async (_, path, body, status) => {
    const response = await post(path, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ error: expect.stringMatching(/^ERR /) });
  });

  it("accepts a body of nearly 10 MiB", async () => {
    const value = "x".repeat(10 * 1024 * 1024 - 100);
    expect((await post("/", JSON.stringify(["SET", "big", value]))).status).toBe(200);
    const digest = (text: string): string => createHash("sha256").update(text).digest("hex");
    expect(digest(await (await post("/", '["GET", "big"]')).text())).toBe(
      digest(JSON.stringify({ result: value })),
    );
    await post("/", '["DEL", "big"]');
  });
});

it("a bridge without its server responds 503", async () => {
  const gone = {
    run: () => Promise.reject(new Error("lost")),
  };
  const bridge = await startUpstashBridge({ client: gone, token });
  onTestFinished(() => bridge.stop());
  const response = await fetch(bridge.url, {
    method: "POST",
    body: '["PING"]',
    headers: { authorization: `Bearer ${token}` },
  });
  expect(response.status).toBe(503);
});

it("a stopped bridge does not listen, and can be stopped again", async () => {
  const never = new Promise<never>(() => {});
  const bridge = await startUpstashBridge({ client: { run: () => never }, token });
  const { url } = bridge;
  await Promise.all([bridge.stop(), bridge.stop()]);
  await expect(fetch(url)).rejects.toThrow();
});
