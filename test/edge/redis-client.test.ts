import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createRedisClient, type RedisClient, RedisError } from "../../src/edge/redis-client.ts";
import { type LocalRedis, startRedis } from "../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../src/local/upstash-bridge.ts";

const TOKEN = "a secret token";

const clientOf = (url: string, token = TOKEN, timeoutMs = 5_000): RedisClient =>
  createRedisClient({ url, token, fetch: (input, init) => fetch(input, init), timeoutMs });

describe("over the local bridge, to a real Redis or what stands in for one", () => {
  let redis: LocalRedis;
  let bridge: UpstashBridge;
  let client: RedisClient;
  beforeAll(async () => {
    redis = await startRedis();
    bridge = await startUpstashBridge({ client: redis.client, token: TOKEN });
    client = clientOf(bridge.url);
  });
  afterAll(async () => {
    await bridge?.stop();
    await redis?.stop();
  });

  test("a text comes back as it was stored, whatever it looks like", async () => {
    for (const text of ["grüße 🌊", "1.5", "true", '{"a":1}', "null", ""]) {
      expect(await client.command("SET", "text", text)).toBe("OK");
      expect(await client.command("GET", "text")).toBe(text);
    }
  });

  test("numbers, nothing and lists are replies too", async () => {
    expect(await client.command("DEL", "hash", "none")).toBeTypeOf("number");
    expect(await client.command("HSET", "hash", "one", 1)).toBe(1);
    expect(await client.command("HMGET", "hash", "one", "two")).toEqual(["1", null]);
    expect(await client.command("GET", "none")).toBeNull();
  });

  test("what Redis refuses is told in its own words", async () => {
    await client.command("SET", "text", "a");
    const failure = await client.command("INCR", "text").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RedisError);
    expect(String(failure)).toContain("ERR value is not an integer");
  });

  test("another token is refused", async () => {
    const failure = await clientOf(bridge.url, "another")
      .command("GET", "text")
      .catch((error: unknown) => error);
    expect(String(failure)).toContain("401, Unauthorized");
    expect(failure).not.toBeInstanceOf(RedisError);
  });
});

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
const listen = async (handler: RequestListener): Promise<string> => {
  const server = createServer(handler);
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  return `http://127.0.0.1:${address.port}`;
};

const answering =
  (status: number, body: string): RequestListener =>
  (_, response) =>
    void response.writeHead(status).end(body);

describe("what is not in the protocol is a failure, and no reply", () => {
  test.each([
    ["a proxy's page", answering(502, "<h1>bad gateway</h1>")],
    ["nothing", answering(200, "")],
    ["no object", answering(200, "7")],
    ["an object without a result", answering(200, "{}")],
    ["a result that is no reply", answering(200, '{"result":{"a":1}}')],
    ["a result with another status", answering(500, '{"result":"OK"}')],
    [
      "a redirection, wherever it leads",
      (request, response) =>
        void (request.url === "/elsewhere"
          ? response.end('{"result":"OK"}')
          : response.writeHead(307, { location: "/elsewhere" }).end()),
    ],
    ["a connection that breaks", (request: IncomingMessage) => void request.socket.resetAndDestroy()],
    [
      "an answer that breaks off",
      (request, response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write('{"result":', () => request.socket.resetAndDestroy());
      },
    ],
  ] as const satisfies readonly (readonly [string, RequestListener])[])("%s", async (_, handler) => {
    const failure = await clientOf(await listen(handler))
      .command("GET", "a")
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(failure).not.toBeInstanceOf(RedisError);
    expect(String(failure)).not.toContain(TOKEN);
  });

  test.each([
    ["an answer that does not come", () => undefined],
    [
      "an answer whose end does not come",
      (_: IncomingMessage, response: Parameters<RequestListener>[1]) => {
        response.writeHead(200, { "content-length": "100" });
        response.write('{"result":');
      },
    ],
  ] as const)("%s within its time", async (_, handler) => {
    const client = clientOf(await listen(handler), TOKEN, 50);
    await expect(client.command("GET", "a")).rejects.toThrow(/time|abort/i);
  });
});

describe("an error is Redis's own", () => {
  const failureWith = async (status: number): Promise<unknown> =>
    clientOf(await listen(answering(status, '{"error":"NOSCRIPT No matching script."}')))
      .command("EVALSHA", "0", 0)
      .catch((error: unknown) => error);

  test("with the status 400", async () => {
    expect(await failureWith(400)).toEqual(new RedisError("NOSCRIPT No matching script."));
  });

  test.each([200, 401, 429, 500, 503])("but not with %i, which is told", async (status) => {
    const failure = await failureWith(status);
    expect(failure).not.toBeInstanceOf(RedisError);
    expect(String(failure)).toContain(`${status}, NOSCRIPT No matching script.`);
  });
});

describe("an answer of at most 1 MiB is read", () => {
  const LIMIT_BYTES = 1_048_576;
  const envelope = '{"result":""}'.length;
  const longText = (bytes: number): string => "x".repeat(bytes - envelope);

  test("one of just that length is", async () => {
    const text = longText(LIMIT_BYTES);
    const client = clientOf(await listen(answering(200, JSON.stringify({ result: text }))));
    expect(await client.command("GET", "a")).toBe(text);
  });

  test("one that is a byte longer is not", async () => {
    const body = JSON.stringify({ result: longText(LIMIT_BYTES + 1) });
    await expect(clientOf(await listen(answering(200, body))).command("GET", "a")).rejects.toThrow(
      "longer than 1048576 bytes",
    );
  });

  test("of one without an end no more than that is taken, and its connection is given up", async () => {
    const closed = Promise.withResolvers<void>();
    const url = await listen((_, response) => {
      response.on("close", closed.resolve);
      const send = (): void => {
        while (!response.destroyed && response.write(longText(65_536)));
      };
      response.writeHead(200).on("drain", send);
      send();
    });
    await expect(clientOf(url).command("GET", "a")).rejects.toThrow("longer than 1048576 bytes");
    await closed.promise;
  });
});

test.each(["an inner\nline", "a €", ""])("a token that no header takes is not told: %j", async (token) => {
  const failure = await clientOf("http://127.0.0.1:9", token)
    .command("GET", "a")
    .catch((error: unknown) => error);
  expect(String(failure)).toBe("Error: Redis's token has characters that no header takes");
});

test("a token with a line end behind it is sent without", async () => {
  const tokens: (string | undefined)[] = [];
  const url = await listen((request, response) => {
    tokens.push(request.headers.authorization);
    response.end('{"result":null}');
  });
  expect(await clientOf(url, `${TOKEN}\r\n`).command("GET", "a")).toBeNull();
  expect(tokens).toEqual([`Bearer ${TOKEN}`]);
});

test("a command is sent once, as one request of JSON", async () => {
  const arrived: unknown[] = [];
  const url = await listen(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const { authorization, "content-type": type } = request.headers;
    arrived.push([request.method, request.url, authorization, type, body]);
    response.writeHead(503).end('{"error":"ERR busy"}');
  });
  await expect(clientOf(url).command("SET", "a", 1.5)).rejects.toThrow("ERR busy");
  // Some bridges, such as serverless-redis-http, take no other type, and none with a charset behind it.
  expect(arrived).toEqual([["POST", "/", `Bearer ${TOKEN}`, "application/json", '["SET","a",1.5]']]);
});
