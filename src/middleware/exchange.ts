/** One request on its way through the guards, and what they have found out about it so far. */
import type { EdgeRoute } from "../contract/edge-manifest.ts";
import type { Problem } from "../contract/problem.ts";
import type { Verdict } from "./auth/identity-headers.ts";
import type { ChunkReader } from "./body-limit/read-body.ts";
import type { Client } from "./context/client.ts";
import type { LimitResult } from "./rate-limit/verdict.ts";
import type { Match, RouteEntry } from "./route-policy/route-table.ts";
import type { HeaderFields } from "./screening/headers.ts";

/** A request as the platform's own class has it. */
export interface GuardedRequest {
  readonly method: string;
  readonly headers: { get(name: string): string | null; has(name: string): boolean };
  readonly body: { getReader(): ChunkReader } | null;
}

export interface Exchange {
  readonly request: GuardedRequest;
  readonly requestId: string;
  /** By which the client addresses the API, such as `https://api.example.com`. */
  readonly origin: string;
  readonly path: string;
  /** With its leading `?`; empty where there is none. */
  readonly query: string;
  /** Its header fields, where going through all of them is cheap: then they are screened too. */
  readonly fields?: HeaderFields;
  /** Whoever the platform says it is. */
  readonly client: Client;
  /** What the contract has under its path, once somebody has looked. */
  match?: Match<EdgeRoute>;
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
  /** Whether the client has asked what was done, and may know it. */
  isExplained: boolean;
  /** The guard that has answered or refused it. */
  stoppedBy?: GuardName;
  /** Goes on with work when the request has been answered. Whatever becomes of it ends nothing else. */
  readonly inBackground: (work: Promise<unknown>) => void;
}

/** A step on the request's way: it answers, refuses, or lets the request go on. */
export type Guard = (exchange: Exchange) => GuardResult | Promise<GuardResult>;
export type GuardResult = Response | Problem | undefined;

export const GUARD_NAMES = ["blocklist", "screening", "route", "authentication", "limit", "body"] as const;
export type GuardName = (typeof GUARD_NAMES)[number];

export interface NamedGuard {
  readonly name: GuardName;
  readonly pass: Guard;
}

/** What the route guard has found; every guard behind it may count on it. */
export const routed = (exchange: Exchange): { entry: RouteEntry<EdgeRoute>; deadlineAtMs: number } => {
  const { entry, deadlineAtMs } = exchange;
  if (entry === undefined || deadlineAtMs === undefined) {
    throw new Error("the route guard must stand before this one");
  }
  return { entry, deadlineAtMs };
};
