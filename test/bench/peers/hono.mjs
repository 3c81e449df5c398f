/** Bare Hono and pg without protections: the baseline. */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { createPool, host, port } from "./environment.mjs";
import { cached, findProduct, placeOrder } from "./shop.mjs";

const pool = createPool();
const find = (id) => findProduct(pool, id);
const findCached = cached(find);
const app = new Hono();

app.get("/v1/products/:id", async (c) => {
  const product = await find(c.req.param("id"));
  return product === undefined ? c.notFound() : c.json(product);
});

app.get("/cached/:id", async (c) => {
  const product = await findCached(c.req.param("id"));
  return product === undefined ? c.notFound() : c.json(product);
});

app.post("/v1/orders", async (c) => {
  const { lines } = await c.req.json();
  const order = await placeOrder(pool, lines);
  return c.json(order, 201, { location: `/v1/orders/${order.id}` });
});

serve({ fetch: app.fetch, hostname: host, port });
