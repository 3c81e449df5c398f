import { expect, test } from "vitest";
import { eventId } from "../../../src/origin/outbox/event-id.ts";
import type { Occurrence } from "../../../src/security-events/event.ts";

const access = {
  type: "data_access" as const,
  atMs: 1,
  client: "192.0.2.1",
  route: "listOrders",
  requestId: "0b0e7b1e-52a5-4b8e-9a8c-8f3c1f7a2d11",
  traceId: null,
  user: "alice",
  resource: "/v1/orders",
  action: "read" as const,
};

test("two origins that serve one request give its access the same id", () => {
  expect(eventId({ ...access, atMs: 2 }, 1)).toBe(eventId(access, 1));
  expect(eventId(access, 1)).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});

test.each([
  { requestId: "0b0e7b1e-52a5-4b8e-9a8c-8f3c1f7a2d12" },
  { client: "192.0.2.2" },
  { user: "bob" },
  { resource: "/v1/orders/1" },
  { action: "write" as const },
])("an access that differs by %j has another id", (difference) => {
  expect(eventId({ ...access, ...difference }, 1)).not.toBe(eventId(access, 1));
});

test("several accesses, and other events, have ids of their own", () => {
  expect(eventId(access, 2)).not.toBe(eventId(access, 2));
  const refusal: Occurrence = {
    type: "suspicious_activity",
    atMs: 1,
    client: "192.0.2.1",
    route: null,
    requestId: access.requestId,
    traceId: null,
    rule: "method",
    details: "",
  };
  expect(eventId(refusal, 1)).not.toBe(eventId(refusal, 1));
});
