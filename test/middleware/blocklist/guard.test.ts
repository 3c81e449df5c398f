import { expect, test } from "vitest";
import type { Blocklist } from "../../../src/middleware/blocklist/blocklist.ts";
import { blocklist as blocklistMiddleware } from "../../../src/middleware/blocklist/index.ts";
import type { SecurityFinding } from "../../../src/middleware/security-report.ts";
import { appOf } from "../support/app.ts";
import { blocklist, entry } from "./support.ts";

const NOW_S = 1_800_000_000;
const NOW_MS = NOW_S * 1_000;

const list = blocklist([
  entry("192.0.2.0/24"),
  entry("198.51.100.7", NOW_MS + 90_000),
  entry("2001:db8::/48", NOW_MS + 1_000),
  entry("203.0.113.9", NOW_MS),
]);

const startApp = (
  snapshot: () => Blocklist | undefined | Promise<Blocklist | undefined> = () => list,
  nowMs = NOW_MS,
) => {
  const findings: SecurityFinding[] = [];
  const report = (_: unknown, route: string | null, finding: SecurityFinding): void => {
    expect(route).toBeNull();
    findings.push(finding);
  };
  const send = appOf([blocklistMiddleware({ snapshot, now: () => nowMs, report })]);
  return { findings, send: (client: string) => send({ client }) };
};

const finding = (network: string): SecurityFinding => ({
  type: "suspicious_activity",
  rule: "blocked_client",
  details: `blocked_client: ${network}`,
});

test("a client that is blocked for ever gets 403 without Retry-After, immediately", async () => {
  const { send, findings } = startApp();
  const { response, problem, isSynchronous, variables } = await send("192.0.2.1");
  expect(response.status).toBe(403);
  expect(problem).toEqual({ code: "blocked" });
  expect(response.headers.has("retry-after")).toBe(false);
  expect(isSynchronous).toBe(true);
  expect(variables.rejectedBy).toBe("blocklist");
  expect(findings).toEqual([finding("192.0.2.0/24")]);
});

test.each([
  ["198.51.100.7", 0, "90", "198.51.100.7"],
  ["198.51.100.7", 1, "90", "198.51.100.7"],
  ["198.51.100.7", 89_999, "1", "198.51.100.7"],
  ["2001:db8:0:1::2", 0, "1", "2001:db8::/48"],
])("%s, %d ms later, may retry after %s s", async (client, laterMs, retryAfter, network) => {
  const { send, findings } = startApp(() => list, NOW_MS + laterMs);
  const { response, problem } = await send(client);
  expect(problem).toEqual({ code: "blocked" });
  expect(response.headers.get("retry-after")).toBe(retryAfter);
  expect(findings).toEqual([finding(network)]);
});

test.each([
  ["is on no list", "198.51.100.8"],
  ["was blocked until now", "203.0.113.9"],
  ["has no address", "unknown"],
])("a client that %s passes immediately, without a security event", async (_, client) => {
  const { send, findings } = startApp();
  expect(await send(client)).toMatchObject({ passed: true, isSynchronous: true });
  expect(findings).toEqual([]);
});

test("every client passes if no list was ever loaded", async () => {
  const { send } = startApp(() => undefined);
  expect(await send("192.0.2.1")).toMatchObject({ passed: true, isSynchronous: true });
});

test("requests wait for a list that is loading", async () => {
  const { send, findings } = startApp(async () => list);
  expect(await send("192.0.2.1")).toMatchObject({ isSynchronous: false, problem: { code: "blocked" } });
  expect(await send("198.51.100.8")).toMatchObject({ isSynchronous: false, passed: true });
  expect(findings).toHaveLength(1);
});
