/** `node:http` and pg alone: the ceiling. */
import { createServer } from "node:http";
import { createPool, host, port } from "./environment.mjs";
import { cached, findProduct, placeOrder } from "./shop.mjs";

const pool = createPool();
const find = (id) => findProduct(pool, id);
const findCached = cached(find);

/**
 * @param {import("node:http").ServerResponse} response
 * @param {number} status
 * @param {object} content
 * @param {Record<string, string>} [headers]
 */
const send = (response, status, content, headers = {}) => {
  const body = JSON.stringify(content);
  const length = Buffer.byteLength(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": length, ...headers });
  response.end(body);
};

/** @param {import("node:http").IncomingMessage} request */
const readJson = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
};

const SELECT = "/v1/products/";
const CACHED = "/cached/";

createServer(async (request, response) => {
  const { url = "" } = request;
  if (request.method === "POST") {
    const { lines } = await readJson(request);
    const order = await placeOrder(pool, lines);
    send(response, 201, order, { location: `/v1/orders/${order.id}` });
    return;
  }
  const product = url.startsWith(CACHED)
    ? await findCached(url.slice(CACHED.length))
    : await find(url.slice(SELECT.length));
  if (product === undefined) send(response, 404, {});
  else send(response, 200, product);
}).listen(port, host);
