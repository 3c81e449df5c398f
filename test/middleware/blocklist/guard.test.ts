import { expect, test } from "vitest";
import { blocklistGuard } from "../../../src/middleware/blocklist/index.ts";
import type { GetBlocklist } from "../../../src/middleware/blocklist/snapshot.ts";
import type { SecurityFinding } from "../../../src/middleware/security-report.ts";
import { openExchange } from "../open-exchange.ts";
import { blocklist, entry } from "./support.ts";

const NOW_S = 1_800_000_000;
const NOW_MS = NOW_S * 1_000;

const list = blocklist([
  entry("192.0.2.0/24"),
  entry("198.51.100.7", NOW_MS + 90_000),
  entry("2001:db8::/48", NOW_MS + 1_000),
  entry("203.0.113.9", NOW_MS),
]);

const guarded = (held: GetBlocklist = () => list, nowMs = NOW_MS) => {
  const findings: SecurityFinding[] = [];
  const guard = blocklistGuard({
    held,
    now: () => nowMs,
    reportSecurity: (_, finding) => void findings.push(finding),
  });
  return { findings, ask: (client: string) => guard(openExchange({ client })) };
};

const finding = (network: string): SecurityFinding => ({
  type: "suspicious_activity",
  rule: "blocked_client",
  details: `blocked_client: ${network}`,
});

test("a client that is blocked for ever is refused, and not told to come again", () => {
  const { ask, findings } = guarded();
  expect(ask("192.0.2.1")).toEqual({ code: "blocked" });
  expect(findings).toEqual([finding("192.0.2.0/24")]);
});

test.each([
  ["198.51.100.7", 0, "90", "198.51.100.7"],
  ["198.51.100.7", 1, "90", "198.51.100.7"],
  ["198.51.100.7", 89_999, "1", "198.51.100.7"],
  ["2001:db8:0:1::2", 0, "1", "2001:db8::/48"],
])("%s, %d ms later, is told to come again in %s s", (client, laterMs, retryAfter, network) => {
  const { ask, findings } = guarded(() => list, NOW_MS + laterMs);
  expect(ask(client)).toEqual({ code: "blocked", headers: { "retry-after": retryAfter } });
  expect(findings).toEqual([finding(network)]);
});

test.each([
  ["is on no list", "198.51.100.8"],
  ["was blocked until now", "203.0.113.9"],
  ["has no address", "unknown"],
])("a client that %s goes on, and nothing is told of it", (_, client) => {
  const { ask, findings } = guarded();
  expect(ask(client)).toBeUndefined();
  expect(findings).toEqual([]);
});

test("nobody is refused where there never was a list", () => {
  expect(guarded(() => undefined).ask("192.0.2.1")).toBeUndefined();
});

test("a list that comes in a moment is waited for", async () => {
  const { ask, findings } = guarded(async () => list);
  const pending = ask("192.0.2.1");
  expect(pending).toBeInstanceOf(Promise);
  expect(await pending).toEqual({ code: "blocked" });
  expect(await ask("198.51.100.8")).toBeUndefined();
  expect(findings).toHaveLength(1);
});
