import { expect, test } from "vitest";
import { writeCacheStatus } from "../../../src/middleware/response-cache/respond.ts";

test.each([
  { status: { hit: true, ttlS: 3 }, field: "cache; hit; ttl=3" },
  {
    status: { hit: true, ttlS: -12, detail: "stale-while-revalidate" },
    field: "cache; hit; ttl=-12; detail=stale-while-revalidate",
  },
  { status: { forward: "miss", stored: true }, field: "cache; fwd=miss; stored" },
  { status: { forward: "miss", stored: false, collapsed: true }, field: "cache; fwd=miss; collapsed" },
  {
    status: { forward: "stale", forwardStatus: 503, ttlS: -70, detail: "stale-if-error" },
    field: "cache; fwd=stale; fwd-status=503; ttl=-70; detail=stale-if-error",
  },
] as const)("RFC 9211: $field", ({ status, field }) => {
  expect(writeCacheStatus("cache", status)).toBe(field);
});
