import { describe, expect, test } from "vitest";
import { apiKeys, createKey, type KeyLookup } from "../../../src/middleware/auth/api-keys.ts";
import { checkCredentials } from "../../../src/middleware/auth/credentials.ts";
import { FAILED_CHECKS, FailedChecks } from "../../../src/middleware/auth/failed-checks.ts";
import type { AuthResult, CheckCredentials } from "../../../src/middleware/auth/principal.ts";
import type { Blocklist } from "../../../src/middleware/blocklist/blocklist.ts";
import { blocklist as blocklistMiddleware } from "../../../src/middleware/blocklist/index.ts";
import type { SecurityFinding } from "../../../src/middleware/security-report.ts";
import { appOf } from "../support/app.ts";
import { automatic, blocklist, entry } from "./support.ts";

const NOW_S = 1_800_000_000;
const NOW_MS = NOW_S * 1_000;

const list = blocklist([
  entry("192.0.2.0/24"),
  entry("198.51.100.7", NOW_MS + 90_000),
  entry("2001:db8::/48", NOW_MS + 1_000),
  entry("203.0.113.9", NOW_MS),
  automatic("203.0.113.10", NOW_MS + 60_000),
]);

/** No credentials are valid. */
const never: CheckCredentials = () => ({ kind: "refused", reason: "unknown_key", user: "anonymous" });

const startApp = (
  snapshot: () => Blocklist | undefined | Promise<Blocklist | undefined> = () => list,
  nowMs = NOW_MS,
) => {
  const findings: SecurityFinding[] = [];
  const report = (_: unknown, route: string | null, finding: SecurityFinding): void => {
    expect(route).toBeNull();
    findings.push(finding);
  };
  const send = appOf([blocklistMiddleware({ snapshot, now: () => nowMs, report, check: never })]);
  return { findings, send: (client: string) => send({ client }) };
};

const finding = (network: string): SecurityFinding => ({
  type: "suspicious_activity",
  rule: "blocked_client",
  details: `blocked_client: ${network}`,
});

test("a permanently blocked client gets 403 without Retry-After, synchronously", async () => {
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
])("%s, %d ms later, gets a Retry-After of %s s", async (client, laterMs, retryAfter, network) => {
  const { send, findings } = startApp(() => list, NOW_MS + laterMs);
  const { response, problem } = await send(client);
  expect(problem).toEqual({ code: "blocked" });
  expect(response.headers.get("retry-after")).toBe(retryAfter);
  expect(findings).toEqual([finding(network)]);
});

test.each([
  ["is not listed", "198.51.100.8"],
  ["was blocked until now", "203.0.113.9"],
  ["has no address", "unknown"],
])("a client that %s passes synchronously, without a security event", async (_, client) => {
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

describe("an automatic block of an address", () => {
  const SHARED = "203.0.113.10";
  const random = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes);
  const alice = createKey(random);

  /** API keys, of which only one is valid, and a clock. */
  const office = () => {
    const lookedUp: string[] = [];
    const lookup: KeyLookup = async (id) => {
      lookedUp.push(id);
      const record = { id, hash: alice.hash, principal: "alice", scopes: [], expiresAtMs: null };
      return id === alice.id ? { kind: "found", record } : { kind: "unknown" };
    };
    let nowMs = NOW_MS;
    const now = () => nowMs;
    const check = checkCredentials({
      apiKeys: apiKeys({ lookup, now }),
      tokens: undefined,
      failedChecks: new FailedChecks(now),
      now,
    });
    const sendTo = appOf([
      blocklistMiddleware({ snapshot: () => list, now, check, report: () => undefined }),
    ]);
    const send = (key?: string, client = SHARED, method = "GET", headers = {}) => {
      const credentials = key === undefined ? undefined : { authorization: `Bearer ${key}` };
      return sendTo({ client, method, headers: { ...headers, ...credentials } });
    };
    const guess = () => send(createKey(random).key);
    const guesses = async (count: number): Promise<void> => {
      for (let turn = 0; turn < count; turn += 1) expect((await guess()).passed).toBe(false);
    };
    return {
      send,
      guesses,
      lookedUp,
      pass: (ms: number) => {
        nowMs += ms;
      },
    };
  };

  test("does not reject valid credentials", async () => {
    const { send } = office();
    expect(await send(alice.key)).toMatchObject({ passed: true });
    const { passed, response, problem } = await send();
    expect(passed).toBe(false);
    expect(response.headers.get("retry-after")).toBe("60");
    expect(problem).toEqual({ code: "blocked" });
  });

  test("does not reject preflights, which never have credentials", async () => {
    const { send } = office();
    const page = { origin: "https://shop.example", "access-control-request-method": "POST" };
    expect((await send(undefined, SHARED, "OPTIONS", page)).passed).toBe(true);
    expect((await send(undefined, SHARED, "OPTIONS")).passed).toBe(false);
    expect((await send(undefined, "192.0.2.1", "OPTIONS", page)).passed).toBe(false);
  });

  test("rejects other credentials, and looks up few of them", async () => {
    const { guesses, lookedUp, pass } = office();
    await guesses(100);
    expect(lookedUp).toHaveLength(FAILED_CHECKS.capacity);
    pass(3_000);
    await guesses(100);
    expect(lookedUp).toHaveLength(FAILED_CHECKS.capacity + 3 * FAILED_CHECKS.refillPerSecond);
  });

  test("still passes a key that was valid lately, after any number of guesses", async () => {
    const { send, guesses, lookedUp, pass } = office();
    await send(alice.key, "198.51.100.8");
    expect((await send(alice.key)).passed).toBe(true);
    await guesses(100);
    // The cached result is too old.
    pass(10_000);
    await guesses(100);
    expect((await send(alice.key)).passed).toBe(true);
    expect(lookedUp.filter((id) => id === alice.id)).toHaveLength(2);
  });

  test("counts no check that succeeded", async () => {
    const { send, lookedUp } = office();
    const sent = Array.from({ length: 3 * FAILED_CHECKS.capacity }, async (_, turn) => {
      if (turn % 10 === 0) await send(alice.key);
    });
    await Promise.all(sent);
    await send(createKey(random).key);
    expect((await send(alice.key)).passed).toBe(true);
    expect(lookedUp.at(-1)).not.toBe(alice.id);
  });

  test("by an operator rejects valid credentials too, without a lookup", async () => {
    const { send, lookedUp } = office();
    const { passed, isSynchronous } = await send(alice.key, "192.0.2.1");
    expect({ passed, isSynchronous }).toEqual({ passed: false, isSynchronous: true });
    expect(lookedUp).toEqual([]);
  });

  test.each<[string, AuthResult]>([
    ["cannot be checked", { kind: "unavailable" }],
    ["are refused", { kind: "refused", reason: "expired", user: "anonymous" }],
  ])("rejects credentials that %s", async (_, result) => {
    const check: CheckCredentials = async () => result;
    const send = appOf([
      blocklistMiddleware({ snapshot: () => list, now: () => NOW_MS, check, report: () => undefined }),
    ]);
    const headers = { authorization: "Bearer x" };
    expect((await send({ client: SHARED, headers })).problem).toEqual({ code: "blocked" });
  });
});
