import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { isOnPath, startServer } from "../../src/local/child-process.ts";
import { freePort } from "../../src/local/free-port.ts";
import { LocalError } from "../../src/local/local-error.ts";
import { connectRedis, type LocalRedis, type RedisReply, startRedis } from "../../src/local/redis.ts";
import { isAlive } from "../support/origin-process.ts";
import { startParent } from "./support/parent.ts";

const hasServer = isOnPath("redis-server");

afterEach(() => {
  vi.unstubAllEnvs();
});

async function start(kind: LocalRedis["kind"], signal?: AbortSignal): Promise<LocalRedis> {
  vi.stubEnv("BREAKWATER_EMBEDDED_REDIS", kind === "ioredis-mock" ? "mock" : "");
  const redis = await startRedis(signal === undefined ? {} : { signal });
  onTestFinished(() => redis.stop());
  return redis;
}

/** Buffers as text. */
function textOf(reply: RedisReply): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString();
  return Array.isArray(reply) ? reply.map(textOf) : reply;
}

const kinds = hasServer ? (["redis-server", "ioredis-mock"] as const) : (["ioredis-mock"] as const);

describe.each(kinds)("the embedded %s", (kind) => {
  const replies = async (redis: LocalRedis, ...commands: [string, ...string[]][]): Promise<unknown[]> => {
    const answers = await Promise.all(commands.map((command) => redis.client.run(command)));
    return answers.map((answer) => ("error" in answer ? answer.error : textOf(answer.result)));
  };

  it("runs commands in order, on its own data", async () => {
    const [redis, other] = [await start(kind), await start(kind)];
    expect(redis.kind).toBe(kind);
    expect(redis.version).toMatch(/^\d+\.\d+\.\d+/);
    const answers = await replies(redis, ["SET", "a", "1"], ["incr", "a"], ["GET", "a"], ["GET", "b"]);
    expect(answers).toEqual(["OK", 2, "2", null]);
    expect(await replies(other, ["GET", "a"])).toEqual([null]);
  });

  it.each<[command: [string, ...string[]], reply: unknown]>([
    [
      ["HGETALL", "h"],
      ["f", "1", "g", "2"],
    ],
    [
      ["HMGET", "h", "f", "x"],
      ["1", null],
    ],
    [["PEXPIRE", "h", "60000"], 1],
    [["SET", "h", "x", "NX"], null],
    [["EVAL", "return redis.call('HINCRBY', KEYS[1], ARGV[1], 2)", "1", "h", "f"], 3],
    [
      ["EVAL", "return {1, 'x', {2.7, 'y'}}", "0"],
      [1, "x", [2, "y"]],
    ],
    [["EVAL", "return #redis.call('TIME')", "0"], 2],
    [
      ["EVAL", "local v = redis.call('HMGET', KEYS[1], 'f', 'x') return {v[1], v[2] == false, #v}", "1", "h"],
      ["1", 1, 2],
    ],
    [["EVAL", "return 'window:' .. math.floor(ARGV[1] / 60)", "0", "1795431548"], "window:29923859"],
    [["EVAL", "return math.floor(ARGV[1]) * 1000", "0", "1795431548"], 1795431548000],
    [["EVAL", "return false", "0"], null],
    [["NOSUCH"], expect.stringMatching(/^ERR unknown command/)],
    [["EVAL", "return (", "0"], expect.stringMatching(/^ERR /)],
    [["disconnect"], expect.stringMatching(/^ERR unknown command 'disconnect'/)],
  ])("replies to %j as in RESP2", async (command, reply) => {
    const redis = await start(kind);
    const [, answer] = await replies(redis, ["HSET", "h", "f", "1", "g", "2"], command);
    expect(answer).toEqual(reply);
  });

  it("does not start after its start was canceled", async () => {
    await expect(start(kind, AbortSignal.abort("canceled"))).rejects.toBe("canceled");
  });
});

describe.runIf(hasServer)("the embedded redis-server", () => {
  it("exits when stopped, and commands then fail", async () => {
    const redis = await start("redis-server");
    await redis.stop();
    expect(await redis.exited).toEqual({ code: 0, signal: null });
    await expect(redis.client.run(["PING"])).rejects.toThrow();
  });

  it("rejects with the reason if its start is canceled", async () => {
    const controller = new AbortController();
    const starting = start("redis-server", controller.signal);
    controller.abort("canceled");
    await expect(starting).rejects.toBe("canceled");
  });

  it("stops when its parent is killed", async () => {
    const source = new URL("../../src/local/redis.ts", import.meta.url).href;
    const [parent, line] = await startParent(`
      const { startRedis } = await import(${JSON.stringify(source)});
      const { client } = await startRedis();
      const { result } = await client.run(["INFO", "server"]);
      console.log(/process_id:(\\d+)/.exec(String(result))[1]);`);
    const pid = Number(line);
    expect(isAlive(pid)).toBe(true);
    await parent.stop({ signal: "SIGKILL" });
    await expect.poll(() => isAlive(pid), { timeout: 5_000 }).toBe(false);
  });
});

it("without redis-server the mock is used", async () => {
  vi.stubEnv("PATH", "");
  expect((await start("redis-server")).kind).toBe("ioredis-mock");
});

describe("an external Redis", () => {
  it.runIf(hasServer)("is used with its password and keeps running", async () => {
    const port = await freePort();
    const input = `bind 127.0.0.1\nport ${port}\nrequirepass right\nsave ""\n`;
    const server = await startServer(
      { name: "redis-server", command: "redis-server", args: ["-"], input },
      (line) => line.includes("Ready to accept connections"),
      { timeoutMs: 10_000 },
    );
    onTestFinished(() => server.stop());
    for (let round = 0; round < 2; round += 1) {
      const redis = await connectRedis(`redis://:right@127.0.0.1:${port}`);
      expect(await redis.client.run(["SET", "a", "1"])).toEqual({ result: Buffer.from("OK") });
      await redis.stop();
    }
    await expect(connectRedis(`redis://:wrong@127.0.0.1:${port}`)).rejects.toThrow(
      new RegExp(`^Redis at redis://127.0.0.1:${port} .*WRONGPASS.*: check REDIS_URL$`),
    );
  });

  it("that is unreachable is reported in one line without the password", async () => {
    const port = await freePort();
    await expect(connectRedis(`redis://:secret@127.0.0.1:${port}`)).rejects.toThrow(
      new RegExp(
        `^Redis at redis://127.0.0.1:${port} does not answer \\(.*ECONNREFUSED.*\\): check REDIS_URL$`,
      ),
    );
  });

  it.each(["https://redis.example", "localhost:6379", ""])("rejects the URL %j", async (url) => {
    await expect(connectRedis(url)).rejects.toBeInstanceOf(LocalError);
  });
});
