import type { IncomingHttpHeaders, RequestListener } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { startDoor } from "../../../src/local/door.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { connectRedis } from "../../../src/origin/redis/store.ts";
import { noRedis, redisAdmin, startRedisServer } from "../../conformance/support/redis-server.ts";
import { until, untilSucceeds } from "../../conformance/support/waiting.ts";
import { serve } from "../../support/listen.ts";

/** A store over HTTP whose server uses this listener, and the headers of every request it receives. */
const overHttp = async (listener: RequestListener) => {
  const received: IncomingHttpHeaders[] = [];
  const { url, stop } = await serve((request, response) => {
    received.push(request.headers);
    listener(request, response);
  });
  onTestFinished(stop);
  return { store: connectRedis(url, "token", createLog("silent")), received };
};

test("a command over HTTP that fails is sent once", async () => {
  const { store, received } = await overHttp((request) => request.socket.destroy());
  await expect(store.evaluate("return 1", ["key"], [])).rejects.toThrow();
  expect(received).toHaveLength(1);
});

test("a command over HTTP asks for plain text, and for no sync token", async () => {
  const { store, received } = await overHttp((_, response) => response.end(JSON.stringify({ result: "ü" })));
  expect(await store.hashField("hash", "field")).toBe("ü");
  await store.hashField("hash", "field");
  for (const headers of received) {
    expect(headers).not.toHaveProperty("upstash-encoding");
    expect(headers).not.toHaveProperty("upstash-sync-token");
  }
});

describe.skipIf(noRedis !== undefined)("over TCP", () => {
  const withServers = () => {
    const stops = new CleanupStack();
    onTestFinished(() => stops.runAll());
    const connect = (url: string) => {
      const store = connectRedis(url, undefined, createLog("silent"));
      stops.add(() => store.close());
      return store;
    };
    return { stops, connect };
  };

  test("after a failover, a connection to a server that has become a replica is replaced", async () => {
    const { stops, connect } = withServers();
    const [primary, next] = [await startRedisServer(stops), await startRedisServer(stops)];
    // The address leads new connections to the new primary; open ones stay with the old one.
    const door = await startDoor(primary.url);
    stops.add(() => door.stop());
    const store = connect(`redis://127.0.0.1:${door.port}`);
    await store.set("before", "1", 60_000);
    const { hostname, port } = new URL(next.url);
    const admin = redisAdmin(primary.url, stops);
    await admin.replicaof(hostname, port);
    door.leadTo(next.url);
    await untilSucceeds(() => store.set("after", "1", 60_000));
    expect(await redisAdmin(next.url, stops).get("after")).toBe("1");
    await untilSucceeds(() => store.evaluate("return redis.call('SET', KEYS[1], '1')", ["script"], []));
  });

  test("a database that Redis does not have is not replaced by database 0", async () => {
    const { stops, connect } = withServers();
    const { url } = await startRedisServer(stops);
    const admin = redisAdmin(url, stops);
    const door = await startDoor(url);
    stops.add(() => door.stop());
    const store = connect(`redis://127.0.0.1:${door.port}/99`);
    await expect(store.set("key", "1", 60_000)).rejects.toThrow();
    await until(() => door.taken >= 3);
    await expect(store.set("key", "1", 60_000)).rejects.toThrow();
    expect(await admin.dbsize()).toBe(0);
  });
});
