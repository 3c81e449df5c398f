import { createMiddleware } from "hono/factory";
import { expect, test } from "vitest";
import type { ContextVariables } from "../../src/middleware/context/index.ts";
import { type SecurityFinding, securityReport } from "../../src/middleware/security-report.ts";
import { pointsOf } from "../../src/security-events/abuse-score.ts";
import { appOf } from "./support/app.ts";

const EVENT_ID = "8f14e45f-ceea-4e7a-9c1b-0d6d3f2a7b11";
const scanned = { type: "suspicious_activity", rule: "scanner_path", details: "scanner_path: path" } as const;
const anonymous = { type: "auth_failure", user: "anonymous", reason: "missing" } as const;
const guessed = { ...anonymous, reason: "unknown_key" } as const;

/** The points of a report about a request with these header fields. */
const points = async (
  finding: SecurityFinding,
  headers: Readonly<Record<string, string>>,
): Promise<number | undefined> => {
  let scored: number | undefined;
  const report = securityReport((occurrence) => {
    scored = pointsOf({ ...occurrence, id: EVENT_ID, lastAtMs: 0, count: 1 });
  }, Date.now);
  const reporting = createMiddleware<{ Variables: ContextVariables }>((c, next) => {
    report(c, null, finding);
    return next();
  });
  await appOf([reporting])({ headers });
  return scored;
};

test.each([
  scanned,
  anonymous,
])("a page of another site causes no points for its visitor: $type", async (finding) => {
  expect(await points(finding, {})).toBeGreaterThan(0);
  expect(await points(finding, { "sec-fetch-site": "same-origin" })).toBeGreaterThan(0);
  expect(await points(finding, { "sec-fetch-site": "cross-site" })).toBe(0);
});

test("with credentials, a request counts as the client's own", async () => {
  const headers = { "sec-fetch-site": "cross-site", authorization: "Bearer x" };
  expect(await points(guessed, headers)).toBe(10);
});
