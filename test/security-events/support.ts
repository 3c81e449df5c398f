import type { Occurrence } from "../../src/security-events/event.ts";

/** A rejected request of this client. */
export const refused = (client = "192.0.2.1", atMs = 0): Occurrence => ({
  type: "rate_limit_exceeded",
  endpoint: "GET /v1/products",
  limits: ["per-client"],
  atMs,
  client,
  route: "listProducts",
  requestId: "8f14e45f-ceea-467f-a8e3-1d1f5d6c2b11",
  traceId: null,
});

/** Sequential UUIDs. */
export const countingIds = (): (() => string) => {
  let last = 0;
  return () => {
    last += 1;
    return `00000000-0000-4000-8000-${String(last).padStart(12, "0")}`;
  };
};
