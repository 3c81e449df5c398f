/** What is asked of the origins, and what comes of it. */
import type { RetryMode } from "../resilience/hedging.ts";
import type { AttemptRecord } from "./attempt-events.ts";
import type { SendableRequest } from "./send-attempt.ts";
import type { RequestTrace } from "./telemetry/request-trace.ts";

export interface OriginRequest extends SendableRequest {
  /** Its route's name in the contract: from a closed set. */
  readonly route: string;
  readonly repetition: RetryMode;
  /** Goes on with work when the request has been answered. */
  readonly inBackground: (work: Promise<unknown>) => void;
  /** Gets what was done for it. */
  readonly trail?: AttemptRecord[] | undefined;
  /** Gets a span for each attempt. @default its trace is not kept */
  readonly trace?: RequestTrace | undefined;
}

export interface Unreachable {
  readonly kind: "unreachable";
  /** Where no origin may be called: when to try again, whole seconds, at least 1. */
  readonly retryAfterS?: number;
}

export type OriginAnswer =
  | { readonly kind: "answered"; readonly response: Response }
  /** No origin took the request. */
  | Unreachable
  /** Something answered that is not our origin: a proxy's own page, say. */
  | { readonly kind: "foreign" }
  | { readonly kind: "timed_out" };
