/** The process of all replicas, and a stand-in for the edge's Redis; it receives orders on PORT. */
import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { KEY_RECORD } from "./load.ts";
import { startReplica } from "./replica.ts";
import { type Order, REPLICAS, type UpstreamState } from "./upstream.ts";

const replicas = await Promise.all(Array.from({ length: REPLICAS }, startReplica));

const follow = async (order: Order): Promise<unknown> => {
  if (order.kind === "turn") for (const index of order.replicas) await replicas[index]?.turn(order.mode);
  if (order.kind === "forget") for (const replica of replicas) replica.forget();
  const state: UpstreamState = {
    atMs: Date.now(),
    ports: replicas.map(({ port }) => port),
    counts: order.kind === "count" ? replicas.map((replica) => replica.counts()) : [],
  };
  return state;
};

/** The response of Upstash's REST interface to HMGET: every key is this one. */
const REDIS_ANSWER = { result: [KEY_RECORD, "1"] };

const { PORT: port, HOST: host } = process.env;
const server = createServer(async (request, response) => {
  const order = await text(request);
  const value = request.url === "/order" ? await follow(JSON.parse(order)) : REDIS_ANSWER;
  const body = JSON.stringify(value);
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
});
server.listen(Number(port), host);
await once(server, "listening");
