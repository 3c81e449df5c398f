// The stock stack: a Worker built in a day from packages, each set up as its documentation says.
// Variables: ORIGIN, API_KEYS, RATE_LIMIT_PREFIX, OTLP_TRACES_URL, TRACE_RATIO,
// UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN.
import { Buffer } from "node:buffer";
import { instrument } from "@microlabs/otel-cf-workers";
import { Ratelimit } from "@upstash/ratelimit";
import { Redis } from "@upstash/redis/cloudflare";
import { Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { secureHeaders } from "hono/secure-headers";

const MAX_BODY_BYTES = 1024 * 1024;
/** High enough to reject no request of the benchmark. */
const LIMIT = Ratelimit.slidingWindow(1_000_000, "10 s");

/** The client of each key, by the key's SHA-256; parsed once per isolate. */
let clients;
const clientsOf = ({ API_KEYS }) => {
  clients ??= new Map(Object.entries(JSON.parse(API_KEYS)));
  return clients;
};

/** One per isolate, as its documentation recommends: the ephemeral cache lives as long as the limiter. */
let ratelimit;
const ratelimitOf = (env) => {
  ratelimit ??= new Ratelimit({
    redis: Redis.fromEnv(env),
    limiter: LIMIT,
    prefix: env.RATE_LIMIT_PREFIX,
    ephemeralCache: new Map(),
  });
  return ratelimit;
};

const verifyToken = async (token, c) => {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  const client = clientsOf(c.env).get(Buffer.from(hash).toString("base64url"));
  c.set("client", client);
  return client !== undefined;
};

const rateLimit = createMiddleware(async function rateLimit(c, next) {
  const { success, pending } = await ratelimitOf(c.env).limit(c.get("client"));
  c.executionCtx.waitUntil(pending);
  if (!success) return c.text("Too many requests", 429);
  await next();
});

const proxy = (c) => {
  const { pathname, search } = new URL(c.req.url);
  const request = new Request(c.env.ORIGIN + pathname + search, c.req.raw);
  request.headers.delete("authorization");
  request.headers.set("x-client-id", c.get("client"));
  return fetch(request, { redirect: "manual" });
};

const app = new Hono()
  .use(
    secureHeaders(),
    cors({ origin: ["https://app.example.com"] }),
    bearerAuth({ verifyToken }),
    rateLimit,
    bodyLimit({ maxSize: MAX_BODY_BYTES }),
  )
  .all("*", proxy);

export default instrument(app, (env) => ({
  exporter: { url: env.OTLP_TRACES_URL },
  service: { name: "stock" },
  // A client's own sampling decision does not count, as with the edge.
  handlers: { fetch: { acceptTraceContext: false } },
  sampling: { headSampler: { ratio: Number(env.TRACE_RATIO) } },
}));
