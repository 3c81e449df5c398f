/** A request that may be served, and what is known of it: by the edge's word, or by the guards of this origin. */

import type { Identity } from "../middleware/auth/principal.ts";
import type { CacheOutcome } from "../middleware/response-cache/outcome.ts";

/** What is found out about a request while it is served, for telemetry. */
export interface RequestNotes {
  /** Undefined where the cache was not asked. */
  cacheOutcome?: CacheOutcome;
}

/** Of a request whose trace is kept. */
export interface AdmittedTrace {
  /** The edge's attempt: 16 hexadecimal digits; undefined where the request's trace begins here. */
  readonly parentSpanId: string | undefined;
}

export interface AdmittedRequest {
  readonly requestId: string;
  readonly verdict: Identity;
  /** Its address, or `UNKNOWN_CLIENT`. */
  readonly client: string;
  /** What is left until its deadline, milliseconds. */
  readonly timeoutMs: number;
  /** Whether it may have been sent before. */
  readonly isSentAgain: boolean;
  /** What the edge asks of the cache; what a client asks of it never counts. */
  readonly cacheControl: string | undefined;
  /**
   * Whether no pod has taken the request before. A write that is not harmless when it is done twice must not
   * begin before it is known.
   */
  readonly claim: () => Promise<boolean>;
  /** Whether it is sure that no pod has taken it before, and that none will: without Redis nobody knows. */
  readonly isOnlyHere: () => Promise<boolean>;
  /** Undefined where its trace is not kept. */
  readonly trace: AdmittedTrace | undefined;
  readonly notes: RequestNotes;
  /** For the answer: what tells of limits, and what lets a site's page use it. */
  readonly fields: Readonly<Record<string, string>>;
  /** Where the guards of this origin have let it through, its body, read whole; undefined for what the edge has signed. */
  readonly guardedBody?: Uint8Array;
}
