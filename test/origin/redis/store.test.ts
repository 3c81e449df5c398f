import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { createLog } from "../../../src/origin/log/log.ts";
import { connectRedis } from "../../../src/origin/redis/store.ts";

/** A store over HTTP whose server answers as given, and the headers of every request it received. */
const overHttp = async (answer: RequestListener) => {
  const received: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    received.push(request.headers);
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return { store: connectRedis(`http://127.0.0.1:${address.port}`, "token", createLog("silent")), received };
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
