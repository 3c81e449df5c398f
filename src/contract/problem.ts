/** Problem types (RFC 9457): a closed union of the platform's and the API's. */
import { apiProblems } from "#api/contract/problems.ts";

export const platformProblems = {
  invalid_request: { status: 400, title: "Invalid request" },
  unauthenticated: { status: 401, title: "Authentication required" },
  unsigned: { status: 401, title: "Not signed by the edge" },
  blocked: { status: 403, title: "Client blocked" },
  forbidden: { status: 403, title: "Forbidden" },
  not_found: { status: 404, title: "Not found" },
  method_not_allowed: { status: 405, title: "Method not allowed" },
  request_timeout: { status: 408, title: "Request timeout" },
  idempotency_key_in_use: { status: 409, title: "Request with this Idempotency-Key in progress" },
  blocklist_full: { status: 409, title: "Blocklist full" },
  precondition_failed: { status: 412, title: "Precondition failed" },
  content_too_large: { status: 413, title: "Content too large" },
  uri_too_long: { status: 414, title: "URI too long" },
  unsupported_media_type: { status: 415, title: "Unsupported media type" },
  idempotency_key_reused: { status: 422, title: "Idempotency-Key used for another request" },
  precondition_required: { status: 428, title: "Precondition required" },
  rate_limited: { status: 429, title: "Too many requests" },
  internal: { status: 500, title: "Internal server error" },
  bad_gateway: { status: 502, title: "Bad gateway" },
  unavailable: { status: 503, title: "Service unavailable" },
  outcome_unknown: { status: 504, title: "Outcome unknown" },
  deadline_exceeded: { status: 504, title: "Deadline exceeded" },
} as const;

export const problemTypes: typeof platformProblems & typeof apiProblems = {
  ...platformProblems,
  ...apiProblems,
};

export type ProblemCode = keyof typeof problemTypes;

export interface FieldError {
  readonly in: "body" | "query" | "path" | "header";
  /** A path into the body such as `items[0].quantity`, or the parameter's name. */
  readonly field: string;
  readonly detail: string;
}

/** A rejection or failure as a value; `problemResponse` turns it into a response. */
export interface Problem<Code extends ProblemCode = ProblemCode> {
  readonly code: Code;
  /** One sentence about this occurrence, without anything internal. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  /** Names of the limits that reject the request. */
  readonly violatedPolicies?: readonly string[];
  /** Header fields of the response: Allow, Retry-After, WWW-Authenticate. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The body of `application/problem+json` responses. */
export interface ProblemDetails {
  /** Relative to the API's address. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ProblemCode;
  readonly requestId: string;
  readonly detail?: string | undefined;
  readonly errors?: readonly FieldError[] | undefined;
  /** Names of limits (draft-ietf-httpapi-ratelimit-headers-11 §5.1). */
  readonly "violated-policies"?: readonly string[] | undefined;
}

export const problem = <Code extends ProblemCode>(
  code: Code,
  about: Omit<Problem, "code"> = {},
): Problem<Code> => ({ code, ...about });

export const isProblem = (value: object): value is Problem => "code" in value && !("status" in value);

export const statusOf = ({ code }: Problem): number => problemTypes[code].status;

/** The `type` of a problem: its row in the API reference. */
export const problemTypeUri = (code: ProblemCode): string => `/docs#problem-${code}`;

export const isProblemCode = (value: unknown): value is ProblemCode =>
  typeof value === "string" && Object.hasOwn(problemTypes, value);
