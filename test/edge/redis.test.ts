import type { RequestListener } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createRedis, isRedisRefusal, type RedisCommand } from "../../src/edge/stores/redis.ts";
import { type LocalRedis, startRedis } from "../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../src/local/upstash-bridge.ts";
import { serve, type TestServer } from "../support/listen.ts";

const TOKEN = "a-secret-token";

const clientOf = (url: string, token = TOKEN, timeoutMs = 5_000): RedisCommand =>
  createRedis({ url, token, timeoutMs });

describe("over the local bridge", () => {
  let redis: LocalRedis;
  let bridge: UpstashBridge;
  let client: RedisCommand;
  beforeAll(async () => {
    redis = await startRedis();
    bridge = await startUpstashBridge({ client: redis.client, token: TOKEN });
    client = clientOf(bridge.url);
  });
  afterAll(async () => {
    await bridge?.stop();
    await redis?.stop();
  });

  test("a stored text is returned unchanged, even if it looks like JSON", async () => {
    for (const text of ["grüße 🌊", "1.5", "true", '{"a":1}', "null", ""]) {
      expect(await client("SET", "text", text)).toBe("OK");
      expect(await client("GET", "text")).toBe(text);
    }
  });

  test("replies can be numbers, null and lists", async () => {
    expect(await client("DEL", "hash", "none")).toBeTypeOf("number");
    expect(await client("HSET", "hash", "one", 1)).toBe(1);
    expect(await client("HMGET", "hash", "one", "two")).toEqual(["1", null]);
    expect(await client("GET", "none")).toBeNull();
  });

  test("a command that Redis rejects fails with its message", async () => {
    await client("SET", "text", "a");
    const failure = await client("INCR", "text").catch((error: unknown) => error);
    expect(isRedisRefusal(failure)).toBe(true);
    expect(String(failure)).toContain("ERR value is not an integer");
  });
});

let server: TestServer | undefined;
afterEach(() => server?.stop());

const listen = async (handler: RequestListener): Promise<string> => {
  server = await serve(handler);
  return server.url;
};

const answering =
  (status: number, body: string): RequestListener =>
  (_, response) =>
    void response.writeHead(status).end(body);

describe("a response outside the protocol is a failure:", () => {
  test.each<[what: string, handler: RequestListener]>([
    ["a proxy's page", answering(502, "<h1>bad gateway</h1>")],
    ["an empty body", answering(200, "")],
    ["a number", answering(200, "7")],
    ["an object without a result", answering(200, "{}")],
    ["a result with another status", answering(500, '{"result":"OK"}')],
    ["a connection that breaks", (request) => void request.socket.resetAndDestroy()],
    [
      "a response that breaks off",
      (request, response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write('{"result":', () => request.socket.resetAndDestroy());
      },
    ],
  ])("%s", async (_, handler) => {
    const failure = await clientOf(await listen(handler))("GET", "a").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(isRedisRefusal(failure)).toBe(false);
    expect(String(failure)).not.toContain(TOKEN);
  });

  test.each<[what: string, handler: RequestListener]>([
    ["no response", () => undefined],
    [
      "a response without an end",
      (_, response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write('{"result":');
      },
    ],
  ])("%s within the timeout", async (_, handler) => {
    const client = clientOf(await listen(handler), TOKEN, 50);
    await expect(client("GET", "a")).rejects.toThrow(/time|abort/i);
  });
});

describe("an error is Redis's own", () => {
  const failureWith = async (status: number, error: string): Promise<unknown> =>
    clientOf(await listen(answering(status, JSON.stringify({ error }))))("EVALSHA", "0", 0).catch(
      (failure: unknown) => failure,
    );

  test.each([
    "NOSCRIPT No matching script.",
    "ERR wrong number of arguments",
    "WRONGTYPE Operation",
  ])("if the command is invalid: %s", async (error) => {
    expect(isRedisRefusal(await failureWith(400, error))).toBe(true);
  });

  test.each([
    [401, "Unauthorized"],
    [401, "WRONGPASS invalid or missing auth token"],
    [503, "upstream connect error"],
    [400, "LOADING Redis is loading the dataset in memory"],
    [400, "READONLY You can't write against a read only replica."],
    [400, "OOM command not allowed when used memory > 'maxmemory'."],
    [400, "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."],
  ])("but not if Redis is unusable: %i %s", async (status, error) => {
    expect(isRedisRefusal(await failureWith(status, error))).toBe(false);
  });
});

test("a command is sent once, as JSON", async () => {
  const arrived: unknown[] = [];
  const url = await listen(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const { authorization, "content-type": type } = request.headers;
    arrived.push([request.method, request.url, authorization, type, body]);
    response.writeHead(503).end('{"error":"ERR busy"}');
  });
  await expect(clientOf(url)("SET", "a", 1.5)).rejects.toThrow("ERR busy");
  // Some bridges, such as serverless-redis-http, accept only this type, without a charset.
  expect(arrived).toEqual([["POST", "/", `Bearer ${TOKEN}`, "application/json", '["SET","a","1.5"]']]);
});
