/** Fastify 5 with its own set of plugins. */
import fastifyHelmet from "@fastify/helmet";
import fastifyRateLimit from "@fastify/rate-limit";
import fastify from "fastify";
import { createPool, host, port } from "./environment.mjs";
import { guarded, log, RATE_LIMIT, requestDuration } from "./protections.mjs";
import { newOrder, order, params, product } from "./schemas.mjs";
import { cached, findProduct, placeOrder } from "./shop.mjs";

const pool = createPool();
const find = guarded((id) => findProduct(pool, id));
const findCached = cached(find);
const place = guarded((lines) => placeOrder(pool, lines));

// One line per request, like the other stacks, instead of Fastify's two.
const app = fastify({ loggerInstance: log, disableRequestLogging: true, bodyLimit: 8 * 1024 });

app.addHook("onResponse", (request, reply, done) => {
  const route = request.routeOptions.url ?? "none";
  requestDuration
    .labels({ method: request.method, route, status: reply.statusCode })
    .observe(reply.elapsedTime / 1000);
  request.log.info(
    { method: request.method, url: request.url, status: reply.statusCode, responseTime: reply.elapsedTime },
    "request completed",
  );
  done();
});

await app.register(fastifyHelmet);
await app.register(fastifyRateLimit, { max: RATE_LIMIT, timeWindow: 60_000 });

const schema = { params, response: { 200: product } };
app.get(
  "/v1/products/:id",
  { schema },
  async (request, reply) => (await find(request.params.id)) ?? reply.callNotFound(),
);
app.get(
  "/cached/:id",
  { schema },
  async (request, reply) => (await findCached(request.params.id)) ?? reply.callNotFound(),
);

app.post("/v1/orders", { schema: { body: newOrder, response: { 201: order } } }, async ({ body }, reply) => {
  const placed = await place(body.lines);
  return reply.code(201).header("location", `/v1/orders/${placed.id}`).send(placed);
});

await app.listen({ host, port });
