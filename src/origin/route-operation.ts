/** A route of the contract with its handler, and what serving it takes. */
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { type Problem, problem } from "../contract/problem.ts";
import type { Route } from "../contract/route.ts";
import { missingScopes, type Principal } from "../middleware/auth/principal.ts";
import type { SigningKey } from "../middleware/signature/signing-keys.ts";
import type { Admit } from "./admit.ts";
import type { AdmittedRequest } from "./admitted-request.ts";
import type { Answer } from "./answer.ts";
import type { AnswerCache } from "./cache/answer-cache.ts";
import type { PostgresPool } from "./data/postgres.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Services } from "./handler.ts";
import type { Readiness } from "./lifecycle/readiness.ts";
import type { OriginLog } from "./log.ts";
import type { ObserveCache } from "./metrics/cache-metrics.ts";
import type { LoadShedding } from "./middleware/load-shedding.ts";
import type { ParsedInput } from "./read-input.ts";
import type { SecurityEvents } from "./security-events/security-events.ts";
import type { RequestTelemetry } from "./telemetry/request-telemetry.ts";

/** A handler whose route is no longer known to the compiler. */
export type AnyHandler = (
  input: ParsedInput & { readonly principal: Principal | undefined },
  services: Services,
) => Promise<Answer | Problem> | Answer | Problem;

/** Hono's environment under node-server; a test without a server has no bindings. */
export interface OriginEnvironment {
  Bindings: Partial<HttpBindings>;
}

export type OriginContext = Context<OriginEnvironment>;

export interface RouteOperation {
  /** The operation's name in the contract. */
  readonly name: string;
  readonly route: Route;
  readonly handler: AnyHandler;
}

export interface RouteDependencies {
  readonly database: PostgresPool;
  readonly signingKeys: readonly [SigningKey, ...SigningKey[]];
  readonly admit: Admit;
  readonly readiness: Readiness;
  readonly deadlines: Deadlines;
  readonly loadShedding: Pick<LoadShedding, "run">;
  readonly cache: AnswerCache;
  /** Tells the other processes of this origin what a write has made old; undefined where there are none. */
  readonly tellOthers?: ((tags: readonly string[]) => Promise<void>) | undefined;
  readonly telemetry: RequestTelemetry;
  readonly observeCache: ObserveCache;
  /** For cacheable routes whose contract names no freshness, seconds. */
  readonly defaultFreshS: number;
  /** Where accesses to what is sensitive are told. @default nowhere */
  readonly securityEvents?: SecurityEvents | undefined;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Answers a request that the edge has signed and that has time left. */
export type Answering = (
  c: OriginContext,
  admitted: AdmittedRequest,
) => Answer | Problem | Promise<Answer | Problem>;

export const principalOf = ({ policy }: Route, { verdict }: AdmittedRequest): Principal | undefined =>
  verdict.auth === "none" || policy.auth === "public" ? undefined : verdict.principal;

/** The edge has checked the scopes; what the contract protects is not served on its word alone. */
export const authorise = ({ policy }: Route, principal: Principal | undefined): Problem | undefined => {
  if (policy.auth === "public") return undefined;
  if (principal === undefined) return problem("unauthenticated");
  return missingScopes(policy.auth, principal).length > 0 ? problem("forbidden") : undefined;
};
