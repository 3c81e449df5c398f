/** One request on its way through the guards, and what they have found out about it so far. */

import type { EdgeRoute } from "../contract/edge-route.ts";
import type { Problem } from "../contract/problem.ts";
import type { LimitResult } from "../core/limiter/verdict.ts";
import type { RouteEntry } from "../core/routing/table.ts";
import { type Client, clientIdentities } from "../core/security/client-identity.ts";
import type { Verdict } from "../core/security/verdict.ts";
import type { AttemptRecord } from "./attempt-events.ts";

export interface Exchange {
  readonly request: Request;
  readonly requestId: string;
  /** By which the client addresses the edge, such as `https://api.example.com`. */
  readonly origin: string;
  readonly path: string;
  /** With its leading `?`; empty where there is none. */
  readonly query: string;
  /** Whoever the platform says it is. */
  readonly client: Client;
  /** Set by the route guard, as is the next. */
  entry?: RouteEntry<EdgeRoute>;
  /** The route's deadline, epoch milliseconds. */
  deadlineAtMs?: number;
  /** Fields that let a site's page use the answer. */
  corsHeaders?: Readonly<Record<string, string>>;
  /** Fields that tell of the request's limits. */
  limitHeaders?: Readonly<Record<string, string>>;
  /** What its limits have said, in the route's order. */
  limits: readonly LimitResult[];
  verdict: Verdict;
  body?: Uint8Array<ArrayBuffer>;
  /** What was done for it at origins. */
  readonly attempts: AttemptRecord[];
  /** Whether the client has asked what was done, and may know it. */
  isExplained: boolean;
  /** Goes on with work when the request has been answered. Whatever becomes of it ends nothing else. */
  readonly inBackground: (work: Promise<unknown>) => void;
}

/** A step on the request's way: it answers, refuses, or lets the request go on. */
export type Guard = (exchange: Exchange) => GuardResult | Promise<GuardResult>;
export type GuardResult = Response | Problem | undefined;

/** What the route guard has found; every guard behind it may count on it. */
export const routed = (exchange: Exchange): { entry: RouteEntry<EdgeRoute>; deadlineAtMs: number } => {
  const { entry, deadlineAtMs } = exchange;
  if (entry === undefined || deadlineAtMs === undefined) {
    throw new Error("the route guard must stand before this one");
  }
  return { entry, deadlineAtMs };
};

/** So many addresses an isolate remembers as it has read them. */
const MAX_CLIENTS = 10_000;

export type OpenExchange = (request: Request, inBackground: Exchange["inBackground"]) => Exchange;

export const exchanges = (): OpenExchange => {
  const identify = clientIdentities(MAX_CLIENTS);
  return (request, inBackground) => openExchange(request, inBackground, identify);
};

const openExchange = (
  request: Request,
  inBackground: Exchange["inBackground"],
  identify: (field: string | null) => Client,
): Exchange => {
  const { origin, pathname, search } = new URL(request.url);
  return {
    request,
    inBackground,
    requestId: crypto.randomUUID(),
    origin,
    path: pathname,
    query: search,
    // The platform sets it on every request; a client cannot. What a client says of itself elsewhere is not read.
    client: identify(request.headers.get("cf-connecting-ip")),
    verdict: { auth: "none" },
    limits: [],
    attempts: [],
    isExplained: false,
  };
};
