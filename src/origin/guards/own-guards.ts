/**
 * The edge's chain of guards, mounted by an origin that stands without one (`server.guards: origin`): for compose, and
 * behind a gateway of one's own.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type EdgeRoutes, edgeRoutes } from "../../contract/edge-manifest.ts";
import type { Routes } from "../../contract/route.ts";
import { keyCredentials } from "../../middleware/auth/api-keys.ts";
import type { KeyLookup } from "../../middleware/auth/key-lookup.ts";
import type { CheckCredentials } from "../../middleware/auth/result.ts";
import { readBlocklist } from "../../middleware/blocklist/blocklist.ts";
import { heldBlocklist } from "../../middleware/blocklist/snapshot.ts";
import type { Client } from "../../middleware/context/client.ts";
import { type Exchange, type GuardedRequest, routed } from "../../middleware/exchange.ts";
import type { ChainDependencies } from "../../middleware/guards.ts";
import { guardChain, passGuards } from "../../middleware/guards.ts";
import { problemResponse } from "../../middleware/problems/problem-response.ts";
import { compileRoutes } from "../../middleware/route-policy/route-table.ts";
import type { HeaderFields } from "../../middleware/screening/headers.ts";
import { occurrenceOf } from "../../middleware/security-report.ts";
import { isSampled, traceIdOf } from "../../telemetry/trace-context.ts";
import type { Admit } from "../admit.ts";
import { compiledBlocklist } from "../blocklist/compiled-blocklist.ts";
import { timedScope } from "../db/database.ts";
import type { PostgresPool } from "../db/postgres.ts";
import type { OriginLog } from "../log.ts";
import type { OriginContext } from "../route-operation.ts";
import type { SecurityEvents } from "../security-events/security-events.ts";
import { targetOf } from "../verify-edge.ts";

export interface OwnGuardsDependencies {
  readonly routes: Routes;
  readonly database: PostgresPool;
  readonly clientOf: (c: OriginContext) => Client;
  readonly lookup: KeyLookup;
  readonly tokens: CheckCredentials | undefined;
  readonly limits: ChainDependencies["limits"];
  readonly securityEvents: SecurityEvents;
  /** The share of traces that is kept. */
  readonly samplingRate: number;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const BLOCKLIST_TIMEOUT_MS = 5_000;
const NO_BODY = new Uint8Array(0);

const endingIn = (ms: number) => {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), Math.max(0, ms));
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
};

/** As they came, each by itself: the platform has joined some of them. */
const fieldsOf = (c: OriginContext): HeaderFields => {
  const raw = c.env?.incoming?.rawHeaders;
  if (raw === undefined) return c.req.raw.headers;
  return Array.from({ length: raw.length / 2 }, (_, index): [string, string] => [
    raw[2 * index] ?? "",
    raw[2 * index + 1] ?? "",
  ]);
};

const requestOf = (c: OriginContext): GuardedRequest => ({
  method: c.req.method,
  headers: {
    get: (name) => c.req.header(name) ?? null,
    has: (name) => c.req.header(name) !== undefined,
  },
  get body() {
    const announced = c.req.header("content-length");
    const isThere = (announced !== undefined && announced !== "0") || c.req.header("transfer-encoding");
    return isThere ? c.req.raw.body : null;
  },
});

const fieldsFor = ({ corsHeaders, limitHeaders }: Exchange): Readonly<Record<string, string>> => ({
  ...corsHeaders,
  ...limitHeaders,
});

export const ownGuards = (dependencies: OwnGuardsDependencies): Admit => {
  const { database, clientOf, lookup, tokens, limits, securityEvents, samplingRate, log, now } = dependencies;
  const routes: EdgeRoutes = edgeRoutes(dependencies.routes);
  const compiled = compiledBlocklist();
  const blocklist = heldBlocklist({
    load: async (known) => {
      const { version, bytes } = await compiled(
        database.within(timedScope("guard_blocklist", BLOCKLIST_TIMEOUT_MS, true)),
      );
      if (version === known?.version) return known;
      const list = readBlocklist(bytes);
      if (list === undefined) throw new Error("the blocklist cannot be read");
      return { version, list };
    },
    pause: (ms) => pause(ms),
    now,
    log: ({ message, level, ...entry }) =>
      level === "info" ? log.info(entry, String(message)) : log.warn(entry, String(message)),
  });
  const guards = guardChain({
    table: compileRoutes(routes),
    blocklist,
    keys: keyCredentials({ lookup, now, ahead: () => undefined }),
    tokens,
    limits,
    body: { now, endingIn },
    now,
    reportSecurity: (exchange, finding) => securityEvents.record(occurrenceOf(exchange, finding, now())),
  });

  const open = (c: OriginContext): Exchange => ({
    request: requestOf(c),
    requestId: crypto.randomUUID(),
    origin: `http://${c.req.header("host") ?? ""}`,
    ...targetOf(c.req.url),
    fields: fieldsOf(c),
    client: clientOf(c),
    verdict: { auth: "none" },
    limits: [],
    isExplained: false,
    inBackground: (work) => void work.catch(() => undefined),
  });

  return async (c) => {
    const exchange = open(c);
    const result = await passGuards(guards, exchange);
    const { requestId, verdict, client } = exchange;
    if (result !== undefined) {
      const answer = result instanceof Response ? result : problemResponse(result, requestId);
      for (const [name, value] of Object.entries(fieldsFor(exchange))) answer.headers.set(name, value);
      return answer;
    }
    return {
      requestId,
      verdict,
      client: client.name,
      timeoutMs: routed(exchange).deadlineAtMs - now(),
      isSentAgain: false,
      cacheControl: undefined,
      // Nobody sends it a second time: there is no signature whose nonce could come again.
      claim: async () => true,
      isOnlyHere: async () => false,
      trace: isSampled(traceIdOf(requestId), samplingRate) ? { parentSpanId: undefined } : undefined,
      notes: {},
      fields: fieldsFor(exchange),
      guardedBody: exchange.body ?? NO_BODY,
    };
  };
};
