/** Three requests that show an API at work, in the order in which to send them. */
export interface Tour {
  /** Owner of the demonstration's key. */
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
