/** A page can read each answer of the edge, from any guard or origin, if the route allows the page's site. */
import type { RequestListener } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { createUnavailable } from "../../src/edge/app.ts";
import type { RedisCommand } from "../../src/edge/stores/redis.ts";
import { VERSION_FIELD, writeKeyRecord } from "../../src/middleware/auth/api-keys.ts";
import { writeParts } from "../../src/middleware/blocklist/snapshot.ts";
import { askEdge, type EdgeOptions, executionContext, startEdge } from "../support/ask-edge.ts";
import {
  allowedSite,
  blocklistBytes,
  type CorsCase,
  crossOriginContract,
  guardCases,
  order,
  PRODUCT,
  PRODUCTS,
  post,
  readableBy,
  recordOf,
  requestOf,
  SITE,
} from "../support/cors-cases.ts";
import { serve, type TestServer } from "../support/listen.ts";
import { disconnect, gateway, hang, respond } from "./origins.ts";

const routes = edgeRoutes(crossOriginContract);
const { getProduct } = crossOriginContract;
const impatient = edgeRoutes({
  ...crossOriginContract,
  getProduct: { ...getProduct, policy: { ...getProduct.policy, timeout: "300ms" } },
});
const FOREIGN = "https://other.example";

let server: TestServer | undefined;
afterEach(() => server?.stop());

/** Keys and blocklist; limits cannot be checked. */
const redis: RedisCommand = async (command, name, ...fields) => {
  const parts: Record<string, string> = { ...writeParts(blocklistBytes), [VERSION_FIELD]: "1" };
  if (command === "HGET") return parts[String(fields[0])] ?? null;
  if (command !== "HMGET") throw new Error("no connection");
  if (String(name).endsWith("blocklist")) return fields.map((field) => parts[String(field)] ?? null);
  const record = recordOf(String(fields[0]));
  return [record === undefined ? null : writeKeyRecord(record), "1"];
};

const edgeTo = async (handler: RequestListener, others: Partial<EdgeOptions> = {}) => {
  server = await serve(handler);
  return startEdge({ environment: { ORIGINS: server.url }, routes, redis, bulkRedis: redis, ...others });
};

interface EdgeCase extends CorsCase {
  readonly origin?: RequestListener;
  readonly edge?: Partial<EdgeOptions>;
}

const throws = (): never => {
  throw new Error("a defect");
};

const cases: readonly EdgeCase[] = [
  ...guardCases,
  {
    what: "a field that cannot be forwarded",
    status: 400,
    ...order,
    headers: { ...order.headers, "idempotency-key": "x".repeat(1_025) },
  },
  { what: "a defect", status: 500, path: PRODUCTS, edge: { observe: throws } },
  { what: "another server's answer", status: 502, path: PRODUCT, origin: gateway(200) },
  { what: "an origin that disconnects", status: 503, path: PRODUCT, origin: disconnect },
  {
    what: "an origin that does not answer",
    status: 504,
    path: PRODUCT,
    origin: hang,
    edge: { routes: impatient },
  },
  { what: "a success", status: 200, path: PRODUCT },
  { what: "a write", status: 201, ...post, origin: respond(201) },
  {
    what: "a current version",
    status: 304,
    path: PRODUCT,
    headers: { "if-none-match": '"1"' },
    origin: respond(200, "{}", { etag: '"1"', "cache-control": "max-age=60" }),
  },
  {
    what: "a stored response",
    status: 200,
    path: PRODUCT,
    before: 1,
    origin: respond(200, "{}", { "cache-control": "public, max-age=60" }),
  },
  ...[400, 404, 409, 412, 422, 428, 500, 503, 504].map((status) => ({
    what: `an origin's ${status}`,
    status,
    path: PRODUCT,
    origin: respond(status),
  })),
];

describe.each(cases)("$status for $what", (each) => {
  const answer = async (site: string | undefined): Promise<Response> => {
    const edge = await edgeTo(each.origin ?? respond(200), each.edge);
    const send = () =>
      askEdge(edge, requestOf(each, site, { "cf-connecting-ip": each.client ?? "198.51.100.1" }));
    for (let turn = 0; turn < (each.before ?? 0); turn += 1) await (await send()).text();
    return await send();
  };

  test("is readable by the pages that the route allows", async () => {
    const response = await answer(SITE);
    expect(response.status).toBe(each.status);
    expect(readableBy(response)).toBe(allowedSite(each));
  });

  test("is not readable by others", async () => {
    const response = await answer(FOREIGN);
    expect(response.status).toBe(each.status);
    const isAny = allowedSite(each) === "*";
    expect(readableBy(response)).toBe(isAny ? "*" : null);
    expect(response.headers.get("vary")?.includes("Origin") === true).toBe(!isAny);
  });
});

test("a route that allows no site is readable by none", async () => {
  const edge = await edgeTo(respond(200));
  const response = await askEdge(edge, requestOf({ what: "", status: 401, path: "/v1/orders" }, SITE, {}));
  expect(response.status).toBe(401);
  expect(readableBy(response)).toBeNull();
});

test("503 of an edge without a configuration is readable, too", async () => {
  const request = requestOf({ what: "", status: 503, path: PRODUCT }, SITE, {});
  const response = await createUnavailable(routes).fetch(request, {}, executionContext());
  expect(response.status).toBe(503);
  expect(readableBy(response)).toBe("*");
});
