/** Requests that demonstrate an API, in order. */
export interface Tour {
  /** Owner of the demo key. */
  readonly principal: string;
  readonly scopes: readonly string[];
  readonly steps: readonly TourStep[];
}

export interface TourStep {
  readonly title: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
}
