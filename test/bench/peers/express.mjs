/** Express 5 with its usual packages. */
import express from "express";
import { rateLimit } from "express-rate-limit";
import helmet from "helmet";
import { pinoHttp } from "pino-http";
import { z } from "zod";
import { createPool, host, port } from "./environment.mjs";
import { guarded, log, RATE_LIMIT, requestDuration } from "./protections.mjs";
import { cached, findProduct, placeOrder } from "./shop.mjs";

const pool = createPool();
const find = guarded((id) => findProduct(pool, id));
const findCached = cached(find);
const place = guarded((lines) => placeOrder(pool, lines));

const Params = z.object({ id: z.uuid() });
const NewOrder = z.strictObject({
  lines: z
    .array(z.strictObject({ productId: z.uuid(), quantity: z.int().min(1).max(100) }))
    .min(1)
    .max(20),
});

const measure = (request, response, next) => {
  const stop = requestDuration.startTimer();
  response.on("finish", () =>
    stop({ method: request.method, route: request.route?.path ?? "none", status: response.statusCode }),
  );
  next();
};

/** One short line per request; pino-http's default has every header. */
const access = pinoHttp({
  logger: log,
  quietReqLogger: true,
  serializers: {
    req: ({ id, method, url }) => ({ id, method, url }),
    res: ({ statusCode }) => ({ statusCode }),
  },
});

const app = express();
// An entity tag would hash every response, and no client here uses it.
app.disable("etag");
app.use(measure);
app.use(access);
app.use(helmet());
app.use(rateLimit({ windowMs: 60_000, limit: RATE_LIMIT, standardHeaders: "draft-8", legacyHeaders: false }));
app.use(express.json({ limit: "8kb" }));

const answer = (read) => async (request, response) => {
  const { id } = Params.parse(request.params);
  const product = await read(id);
  if (product === undefined) response.sendStatus(404);
  else response.json(product);
};
app.get("/v1/products/:id", answer(find));
app.get("/cached/:id", answer(findCached));

app.post("/v1/orders", async (request, response) => {
  const { lines } = NewOrder.parse(request.body);
  const order = await place(lines);
  response.status(201).location(`/v1/orders/${order.id}`).json(order);
});

app.use((error, request, response, _next) => {
  const status = error instanceof z.ZodError ? 422 : (error.status ?? 500);
  if (status >= 500) request.log.error(error);
  response.status(status).json({ title: error.message });
});

app.listen(port, host);
