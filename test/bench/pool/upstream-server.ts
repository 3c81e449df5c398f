/** The process with all replicas; on PORT it takes orders. It also stands in for the edge's Redis. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { KEY_RECORD } from "./key.ts";
import { startReplica } from "./replica.ts";
import { type Order, REPLICAS, type UpstreamState } from "./upstream.ts";

const replicas = await Promise.all(Array.from({ length: REPLICAS }, startReplica));

const readBody = async (request: IncomingMessage): Promise<string> => {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
};

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

/** As Upstash's REST interface answers HMGET: whichever key is asked for, it is this one. */
const REDIS_ANSWER = { result: [KEY_RECORD, "1"] };

const { PORT: port, HOST: host } = process.env;
const server = createServer(async (request, response) => {
  const text = await readBody(request);
  const value = request.url === "/order" ? await follow(JSON.parse(text)) : REDIS_ANSWER;
  const body = JSON.stringify(value);
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
});
server.listen(Number(port), host);
await once(server, "listening");
