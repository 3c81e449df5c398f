/** Problem types (RFC 9457): a closed union of the platform's, which are here, and the API's, which are beside its routes. */
import { apiProblems } from "./api/problems.ts";

export interface ProblemType {
  readonly status: number;
  readonly title: string;
}

export const platformProblems = {
  invalid_request: { status: 400, title: "The request does not match the API's description" },
  unauthenticated: { status: 401, title: "Valid credentials are needed" },
  unsigned: { status: 401, title: "This address serves only what the edge has signed" },
  blocked: { status: 403, title: "This client is blocked" },
  forbidden: { status: 403, title: "The credentials do not allow this" },
  not_found: { status: 404, title: "There is nothing here" },
  method_not_allowed: { status: 405, title: "The resource does not know this method" },
  request_timeout: { status: 408, title: "The request's body did not arrive in time" },
  idempotency_key_in_use: { status: 409, title: "A request with this Idempotency-Key is still under way" },
  blocklist_full: { status: 409, title: "The blocklist holds as many entries as it may" },
  precondition_failed: { status: 412, title: "The resource has changed meanwhile" },
  content_too_large: { status: 413, title: "The request's body is too large" },
  uri_too_long: { status: 414, title: "The request's address is too long" },
  unsupported_media_type: { status: 415, title: "The request's body is of a type that is not taken" },
  idempotency_key_reused: { status: 422, title: "This Idempotency-Key belongs to another request" },
  precondition_required: { status: 428, title: "The request must name the version it changes" },
  rate_limited: { status: 429, title: "There were too many requests" },
  internal: { status: 500, title: "The request failed" },
  bad_gateway: { status: 502, title: "The origin gave no usable answer" },
  unavailable: { status: 503, title: "The service is not available at the moment" },
  deadline_exceeded: { status: 504, title: "The answer took longer than the route's deadline" },
} as const satisfies Record<string, ProblemType>;

export const problemTypes = { ...platformProblems, ...apiProblems };

export type ProblemCode = keyof typeof problemTypes;

/** Where in a request an error is, and what is wrong there. */
export interface FieldError {
  readonly in: "body" | "query" | "path" | "header";
  /** A path into the body such as `items[0].quantity`, or the parameter's name. */
  readonly field: string;
  readonly detail: string;
}

/** A rejection or failure as a value; `problemResponse` makes a response of it. */
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
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  /** Names of limits (draft-ietf-httpapi-ratelimit-headers-11 §5.1). */
  readonly "violated-policies"?: readonly string[];
}

export const problem = <Code extends ProblemCode>(
  code: Code,
  about: Omit<Problem, "code"> = {},
): Problem<Code> => ({ code, ...about });

export const isProblem = (value: object): value is Problem => "code" in value && !("status" in value);

export const statusOf = ({ code }: Problem): number => problemTypes[code].status;

/** The `type` of a problem: its row on the page of the API reference. */
export const problemTypeUri = (code: ProblemCode): string => `/docs#problem-${code}`;

export const isProblemCode = (value: unknown): value is ProblemCode =>
  typeof value === "string" && Object.hasOwn(problemTypes, value);
