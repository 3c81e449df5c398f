/**
 * Security events: what a guard saw that somebody may want to know of. A closed union. No token, no body and no query
 * ever stands in one; every text is bounded and printable.
 */
import { printable } from "./sanitize.ts";

export const EVENT_TYPES = [
  "auth_failure",
  "rate_limit_exceeded",
  "suspicious_activity",
  "data_access",
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

export const AUTH_FAILURE_REASONS = [
  "missing",
  "malformed",
  "unknown_key",
  "wrong_secret",
  "expired",
  "not_yet_valid",
  "no_expiry",
  "no_subject",
  "bad_signature",
  "wrong_audience",
  "wrong_issuer",
  "unsupported_algorithm",
  "insufficient_scope",
] as const;

export type AuthFailureReason = (typeof AUTH_FAILURE_REASONS)[number];

export interface AuthFailure {
  readonly type: "auth_failure";
  /** Whom the client claims to be: a principal, or the public part of a key; "anonymous" where it says nothing. */
  readonly user: string;
  readonly reason: AuthFailureReason;
}

export interface RateLimitExceeded {
  readonly type: "rate_limit_exceeded";
  /** Method and path as the contract has it, such as `GET /v1/orders/:id`. */
  readonly endpoint: string;
  /** Names of the limits that refused it. */
  readonly limits: readonly string[];
}

export interface SuspiciousActivity {
  readonly type: "suspicious_activity";
  readonly rule: string;
  readonly details: string;
}

export interface DataAccess {
  readonly type: "data_access";
  readonly user: string;
  /** The path that was asked for, never its query. */
  readonly resource: string;
  readonly action: "read" | "write";
}

export interface Circumstances {
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** The client's address in its canonical form. */
  readonly client: string;
  /** The operation's name in the contract; null for what is no route's. */
  readonly route: string | null;
  readonly requestId: string;
  /** 32 hexadecimal digits. */
  readonly traceId: string | null;
}

/** What a guard reports: once. */
export type Occurrence = Circumstances & (AuthFailure | RateLimitExceeded | SuspiciousActivity | DataAccess);

/** One occurrence or several equal ones; all but `lastAtMs` and `count` is of the first. */
export type SecurityEvent = Occurrence & {
  /** A UUID: who gets an event twice knows it by this. */
  readonly id: string;
  readonly lastAtMs: number;
  readonly count: number;
};

/** Occurrences by type; those of a type that is absent are none. */
export type Counts = Readonly<Partial<Record<EventType, number>>>;

/** What a text is at most, UTF-16 code units. */
export const MOST = {
  user: 200,
  endpoint: 200,
  resource: 200,
  details: 200,
  rule: 64,
  limit: 64,
  limits: 8,
  client: 64,
  route: 100,
  requestId: 64,
  traceId: 32,
} as const;

const withoutQuery = (path: string): string => {
  const at = path.search(/[?#]/);
  return at === -1 ? path : path.slice(0, at);
};

const boundedKind = (
  occurrence: Occurrence,
): AuthFailure | RateLimitExceeded | SuspiciousActivity | DataAccess => {
  switch (occurrence.type) {
    case "auth_failure": {
      const { type, user, reason } = occurrence;
      return { type, user: printable(user, MOST.user), reason };
    }
    case "rate_limit_exceeded": {
      const { type, endpoint, limits } = occurrence;
      return {
        type,
        endpoint: printable(withoutQuery(endpoint), MOST.endpoint),
        limits: limits.slice(0, MOST.limits).map((limit) => printable(limit, MOST.limit)),
      };
    }
    case "suspicious_activity": {
      const { type, rule, details } = occurrence;
      return { type, rule: printable(rule, MOST.rule), details: printable(details, MOST.details) };
    }
    case "data_access": {
      const { type, user, resource, action } = occurrence;
      return {
        type,
        user: printable(user, MOST.user),
        resource: printable(withoutQuery(resource), MOST.resource),
        action,
      };
    }
  }
};

/** The occurrence with nothing in it that may not be in an event; what is bounded already stays as it is. */
export const bounded = (occurrence: Occurrence): Occurrence => ({
  atMs: occurrence.atMs,
  client: printable(occurrence.client, MOST.client),
  route: occurrence.route === null ? null : printable(occurrence.route, MOST.route),
  requestId: printable(occurrence.requestId, MOST.requestId),
  traceId: occurrence.traceId === null ? null : printable(occurrence.traceId, MOST.traceId),
  ...boundedKind(occurrence),
});

const kindKey = (occurrence: Occurrence): string => {
  switch (occurrence.type) {
    case "auth_failure":
      return `${occurrence.reason}\n${occurrence.user}`;
    case "rate_limit_exceeded":
      return `${occurrence.endpoint}\n${occurrence.limits.join("\t")}`;
    case "suspicious_activity":
      return occurrence.rule;
    case "data_access":
      return `${occurrence.action}\n${occurrence.user}\n${occurrence.resource}`;
  }
};

/**
 * The same for occurrences that may be told as one.
 *
 * @param occurrence bounded: no text in it holds a line break
 */
export const equalityKey = (occurrence: Occurrence): string =>
  `${occurrence.type}\n${occurrence.client}\n${occurrence.route ?? ""}\n${kindKey(occurrence)}`;
