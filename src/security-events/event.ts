/**
 * Security events: rejections by the guards, and access to sensitive data. An event contains no token, body
 * or query, and all its text is printable and bounded.
 */
import { UNPRINTABLE } from "../lib/unicode.ts";

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

export type EventDetails =
  | {
      readonly type: "auth_failure";
      /** The principal or public key id that the client claims; "anonymous" without one. */
      readonly user: string;
      readonly reason: AuthFailureReason;
    }
  | {
      readonly type: "rate_limit_exceeded";
      /** Method and path of the route, such as `GET /v1/orders/:id`. */
      readonly endpoint: string;
      /** Names of the exceeded limits. */
      readonly limits: readonly string[];
    }
  | { readonly type: "suspicious_activity"; readonly rule: string; readonly details: string }
  | {
      readonly type: "data_access";
      readonly user: string;
      /** The requested path without its query. */
      readonly resource: string;
      readonly action: "read" | "write";
    };

/** A single occurrence, as a guard reports it. */
export type Occurrence = EventDetails & {
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** The canonical client address, or `UNKNOWN_CLIENT`. */
  readonly client: string;
  /** The route's name in the contract; null if no route matched. */
  readonly route: string | null;
  readonly requestId: string;
  /** 32 hexadecimal digits. */
  readonly traceId: string | null;
};

/** One or more equal occurrences; the other fields are those of the first. */
export type SecurityEvent = Occurrence & {
  /** A UUID; deliveries of one event share it. */
  readonly id: string;
  readonly lastAtMs: number;
  readonly count: number;
};

/** Occurrences by type. */
export type Counts = Readonly<Partial<Record<EventType, number>>>;

/** This API's keys, JWTs, and credentials after the name of their scheme. */
const SECRETS = /\b(?:bwk_[\w-]{8,}|eyJ[\w-]{8,}(?:\.[\w-]*){0,2}|(?:bearer|basic|splunk) +[\w.~+/=-]{8,})/gi;

/** Only this multiple of the maximum length is searched, because clients may send text of any length. */
const SEARCHED_FACTOR = 4;

/**
 * One printable line without anything that looks like a secret. Idempotent.
 *
 * @param maxLength UTF-16 code units
 */
export const sanitize = (text: string, maxLength: number): string => {
  const start = text.slice(0, maxLength * SEARCHED_FACTOR);
  const printable = start.replace(SECRETS, "[secret]").replace(UNPRINTABLE, "\u{fffd}");
  if (printable.length <= maxLength) return printable;
  // A surrogate pair is not split.
  return printable.slice(0, maxLength).replace(/[\ud800-\udbff]$/, "");
};

/** UTF-16 code units. */
const MAX_TEXT = 200;
const MAX_ROUTE = 100;
const MAX_ID = 64;
const MAX_LIMITS = 8;

const sanitizePath = (path: string): string => sanitize(path.split(/[?#]/, 1)[0] ?? "", MAX_TEXT);

const sanitizeDetails = (occurrence: Occurrence): EventDetails => {
  const { type } = occurrence;
  switch (type) {
    case "auth_failure":
      return { type, user: sanitize(occurrence.user, MAX_TEXT), reason: occurrence.reason };
    case "rate_limit_exceeded": {
      const limits = occurrence.limits.slice(0, MAX_LIMITS).map((limit) => sanitize(limit, MAX_ID));
      return { type, endpoint: sanitizePath(occurrence.endpoint), limits };
    }
    case "suspicious_activity":
      return {
        type,
        rule: sanitize(occurrence.rule, MAX_ID),
        details: sanitize(occurrence.details, MAX_TEXT),
      };
    case "data_access": {
      const { user, resource, action } = occurrence;
      return { type, user: sanitize(user, MAX_TEXT), resource: sanitizePath(resource), action };
    }
  }
};

/** The occurrence with only the fields of its type, and with sanitized text. Idempotent. */
export const sanitizeOccurrence = (occurrence: Occurrence): Occurrence => ({
  atMs: occurrence.atMs,
  client: sanitize(occurrence.client, MAX_ID),
  route: occurrence.route === null ? null : sanitize(occurrence.route, MAX_ROUTE),
  requestId: sanitize(occurrence.requestId, MAX_ID),
  traceId: occurrence.traceId === null ? null : sanitize(occurrence.traceId, MAX_ID),
  ...sanitizeDetails(occurrence),
});

/** Occurrences with the same key are aggregated into one event. @param occurrence sanitized */
export const aggregationKey = (occurrence: Occurrence): string => {
  const { atMs: _, requestId: __, traceId: ___, ...fields } = occurrence;
  return JSON.stringify(fields.type === "suspicious_activity" ? { ...fields, details: undefined } : fields);
};
