/** A page can read each answer of an origin without an edge, from any guard or handler, if the route allows the page's site. */
import { describe, expect, test } from "vitest";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { problem } from "../../src/contract/problem.ts";
import { readConfiguration } from "../../src/lib/variables.ts";
import { readBlocklist } from "../../src/middleware/blocklist/blocklist.ts";
import { GUARD_VARIABLES } from "../../src/middleware/config.ts";
import { type GuardDeps, guards } from "../../src/middleware/guards.ts";
import { createRateLimiter } from "../../src/middleware/rate-limit/limiter.ts";
import { createOrigin, type OriginDependencies } from "../../src/origin/app.ts";
import {
  CircuitOpenError,
  DeadlineError,
  OutcomeUnknownError,
  UnavailableError,
} from "../../src/origin/db/errors.ts";
import type { PostgresPool } from "../../src/origin/db/postgres.ts";
import { createReadiness } from "../../src/origin/lifecycle/readiness.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { createDeadlines } from "../../src/origin/middleware/deadline.ts";
import { ShedError } from "../../src/origin/middleware/load-shedding.ts";
import { createSecurityEvents } from "../../src/origin/outbox/security-events.ts";
import { handlers } from "../../src/origin/server.ts";
import { createBreaker } from "../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { createMetrics } from "../../src/telemetry/meter-provider.ts";
import { testKey } from "../middleware/signature/signed-request.ts";
import {
  allowedSite,
  blocklistBytes,
  type CorsCase,
  crossOriginContract,
  guardCases,
  PRODUCT,
  PRODUCTS,
  post,
  readableBy,
  recordOf,
  requestOf,
  SITE,
} from "../support/cors-cases.ts";

const { meter } = createMetrics();
const log = createLog("silent");
const random = Math.random;
const now = Date.now;
const routes = edgeRoutes(crossOriginContract);

const guardDeps = (): GuardDeps => {
  const config = readConfiguration(GUARD_VARIABLES, {});
  const list = readBlocklist(blocklistBytes);
  if (!config.ok || list === undefined) throw new Error("invalid test data");
  const breaker = createBreaker({}, { now, random });
  return {
    routes,
    config: config.value,
    loadBlocklist: async () => ({ version: "1", list }),
    lookUpKey: async (id) => {
      try {
        const record = recordOf(id);
        return record === undefined ? { kind: "unknown" } : { kind: "found", record };
      } catch {
        return { kind: "unavailable" };
      }
    },
    fetch,
    limiter: createRateLimiter({
      options: { leaseMs: 1_000, deadlineMs: 100 },
      store: { take: () => Promise.reject(new Error("no connection")) },
      breaker,
      now,
    }),
    recordEvent: () => undefined,
    observe: () => undefined,
    log: () => undefined,
    now,
  };
};

const unused = (): never => {
  throw new Error("a defect");
};
const database: PostgresPool = {
  query: unused,
  transaction: unused,
  within: () => database,
  usage: () => ({ total: 0, idle: 0, waiting: 0 }),
  warmUp: unused,
  close: unused,
};

const originWith = (changes: Partial<OriginDependencies>, guard: Partial<GuardDeps> = {}) => {
  const readiness = createReadiness({}, now);
  readiness.migrated();
  return createOrigin({
    routes: crossOriginContract,
    handlers,
    database,
    // Every fill goes to the handler.
    cache: {
      handler: (port) => async (c) => {
        const filled = await port.fill(c, { isShared: false });
        if ("code" in filled) return (await port.reject?.(c, filled)) ?? unused();
        return filled instanceof Response ? filled : new Response(filled.body, filled);
      },
      invalidate: () => undefined,
    },
    callerFetch: () => unused,
    settings: {},
    signingKeys: [testKey("k")],
    authorities: ["localhost"],
    guards: guards({ ...guardDeps(), ...guard }),
    clientAddressHeader: "x-client",
    readiness,
    deadlines: createDeadlines(now),
    loadShedding: { run: (_name, _route, _scope, work) => work() },
    telemetry: { observe: () => undefined },
    observeCache: () => undefined,
    defaultFreshS: 0,
    securityEvents: createSecurityEvents({ database, sinks: [], meter, log }),
    log,
    claimNonce: async () => true,
    now,
    ...changes,
  });
};

interface OriginCase extends CorsCase {
  readonly origin?: Partial<OriginDependencies>;
  readonly guard?: Partial<GuardDeps>;
}

const read = (answer: OriginDependencies["handlers"]["getProduct"]): Partial<OriginDependencies> => ({
  handlers: { ...handlers, getProduct: answer },
});
const fails = (error: Error) =>
  read(() => {
    throw error;
  });

const cases: readonly OriginCase[] = [
  ...guardCases,
  { what: "a defect of a guard", status: 500, path: PRODUCTS, guard: { observe: unused } },
  { what: "a body of a read", status: 413, path: PRODUCT, headers: { "content-length": "5" } },
  { what: "an invalid parameter", status: 400, path: "/v1/products/7" },
  { what: "an invalid body", status: 400, ...post, body: "{}" },
  { what: "a body that is not JSON", status: 400, ...post, body: "{" },
  { what: "a handler's problem", status: 404, path: PRODUCT, origin: read(() => problem("not_found")) },
  { what: "a handler's defect", status: 500, path: PRODUCT, origin: fails(new Error("a defect")) },
  { what: "an open breaker", status: 503, path: PRODUCT, origin: fails(new CircuitOpenError("x", 0)) },
  { what: "an outage", status: 503, path: PRODUCT, origin: fails(new UnavailableError("x")) },
  { what: "an unknown outcome", status: 504, path: PRODUCT, origin: fails(new OutcomeUnknownError("x")) },
  { what: "a missed deadline", status: 504, path: PRODUCT, origin: fails(new DeadlineError("x")) },
  {
    what: "an overload",
    status: 503,
    path: PRODUCT,
    origin: { loadShedding: { run: () => Promise.reject(new ShedError()) } },
  },
  {
    what: "a schema that is not migrated",
    status: 503,
    ...post,
    origin: { readiness: createReadiness({}, now) },
  },
  {
    what: "a current version",
    status: 304,
    path: PRODUCT,
    origin: read(() => ({ status: 304, headers: { etag: '"1"' } })),
  },
  { what: "a page of the documentation", status: 200, path: "/docs" },
];

describe.each(cases)("$status for $what", (each) => {
  const answer = async (site: string): Promise<Response> => {
    const origin = originWith(each.origin ?? {}, each.guard);
    const send = () => origin.request(requestOf(each, site, { "x-client": each.client ?? "198.51.100.1" }));
    for (let turn = 0; turn < (each.before ?? 0); turn += 1) await send();
    return await send();
  };

  test("is readable by the pages that the route allows, and by no others", async () => {
    const response = await answer(SITE);
    expect(response.status).toBe(each.status);
    expect(readableBy(response)).toBe(allowedSite(each));
    const foreign = await answer("https://other.example");
    expect(foreign.status).toBe(each.status);
    expect(readableBy(foreign)).toBe(allowedSite(each) === "*" ? "*" : null);
  });
});
