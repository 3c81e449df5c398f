/** One bug for each promise: the tests must notice it. */

export interface Mutant {
  /** What would no longer hold. */
  readonly promise: string;
  /** In `src`. */
  readonly file: string;
  /** Occurs once in the file. */
  readonly from: string;
  readonly to: string;
  /** Files or folders of tests, one of which fails. */
  readonly tests: readonly string[];
}

const SIGNATURE = ["test/middleware/signature"];
const AUTH = ["test/middleware/auth"];
const RATE_LIMIT = ["test/middleware/rate-limit"];
const CACHE = ["test/middleware/response-cache", "test/origin/response-cache"];
const BREAKER = ["test/resilience/circuit-breaker"];
const KEYS = ["test/origin/middleware/idempotency.test.ts", "test/e2e/idempotency.test.ts"];

export const MUTANTS: readonly Mutant[] = [
  {
    promise: "a signed request is accepted once",
    file: "middleware/signature/verify.ts",
    from: 'nonces.take(nonce, nowMs) ? { ok: true, nonce } : refuse("replayed", nonce)',
    to: "{ ok: true, nonce }",
    tests: SIGNATURE,
  },
  {
    promise: "only the edge's key signs a request",
    file: "middleware/signature/verify.ts",
    from: 'if (!equalInConstantTime(mac, key.mac(base))) return refuse("mismatch", nonce);',
    to: "",
    tests: SIGNATURE,
  },
  {
    promise: "a signature expires",
    file: "middleware/signature/verify.ts",
    from: 'if (Number(expires) < nowS - CLOCK_SKEW_S) return refuse("expired", nonce);',
    to: "",
    tests: SIGNATURE,
  },
  {
    promise: "a request signed for one origin is rejected by another",
    file: "middleware/signature/verify.ts",
    from: 'if (!authorities.includes(target.authority)) return refuse("other_origin", nonce);',
    to: "",
    tests: SIGNATURE,
  },
  {
    promise: "every field that a handler reads is signed",
    file: "middleware/signature/verify.ts",
    from: " || list?.uncovered.some(isPresent)",
    to: "",
    tests: SIGNATURE,
  },
  {
    promise: "nonces are remembered for as long as a signature is valid",
    file: "middleware/signature/verify.ts",
    from: "old = nowMs - youngSinceMs >= 2 * lifetimeMs ? new Set() : young;",
    to: "old = new Set();",
    tests: SIGNATURE,
  },
  {
    promise: "only an origin can prove that it has not executed a request",
    file: "middleware/signature/not-executed.ts",
    from: "return equalInConstantTime(mac, await key.mac(baseFor(status, requestSignature, parameters)));",
    to: "return true;",
    tests: SIGNATURE,
  },
  {
    promise: "an API key needs its secret",
    file: "middleware/auth/api-keys.ts",
    from: 'if (!equalInConstantTime(toBase64Url(sha256(presented.secret)), record.hash)) return "wrong_secret";',
    to: "",
    tests: AUTH,
  },
  {
    promise: "an API key expires",
    file: "middleware/auth/api-keys.ts",
    from: 'if (record.expiresAtMs !== null && record.expiresAtMs <= nowMs) return "expired";',
    to: "",
    tests: AUTH,
  },
  {
    promise: "a revoked key is rejected within 10 s",
    file: "middleware/auth/api-keys.ts",
    from: "const CACHE_MS = 5_000;",
    to: "const CACHE_MS = 60_000;",
    tests: AUTH,
  },
  {
    promise: "guesses of an address are limited",
    file: "middleware/auth/credentials.ts",
    from: "if (!wasValid) attempt.limitedForMs = failedChecks.waitMs(network);",
    to: "",
    tests: AUTH,
  },
  {
    promise: "one address of a /64 cannot evade a limit by taking another",
    file: "middleware/context/client.ts",
    from: "index < 8 ? byte : 0",
    to: "index < 16 ? byte : 0",
    tests: ["test/middleware/context"],
  },
  {
    promise: "an IPv4 address has one name, also mapped into IPv6",
    file: "middleware/context/client.ts",
    from: "return address.isIPv4MappedAddress()",
    to: "return address.isLoopback()",
    tests: ["test/middleware/context"],
  },
  {
    promise: "a block covers its whole network",
    file: "middleware/blocklist/blocklist.ts",
    from: " & (-1 << unused)",
    to: "",
    tests: ["test/middleware/blocklist"],
  },
  {
    promise: "a block ends",
    file: "middleware/blocklist/blocklist.ts",
    from: "const seconds = Math.max(1, Math.ceil((expiresAtMs ?? Number.POSITIVE_INFINITY) / 1_000));",
    to: "const seconds = LAST_SECOND + 1;",
    tests: ["test/middleware/blocklist"],
  },
  {
    promise: "path traversal is found behind several encodings",
    file: "middleware/screening/screen.ts",
    from: "const MAX_ROUNDS = ROUNDS.length - 1;",
    to: "const MAX_ROUNDS = 1;",
    tests: ["test/middleware/screening"],
  },
  {
    promise: "a body is never read beyond its limit",
    file: "middleware/body-limit/read-body.ts",
    from: "if (length > maxBytes) {",
    to: "if (length > 2 * maxBytes) {",
    tests: ["test/middleware/body-limit"],
  },
  {
    promise: "a bucket is not refilled by a clock that is set back and forth",
    file: "middleware/rate-limit/token-bucket.ts",
    from: "Math.max(0, nowMs - stored.atMs)",
    to: "Math.abs(nowMs - stored.atMs)",
    tests: RATE_LIMIT,
  },
  {
    promise: "a leased token is used once",
    file: "middleware/rate-limit/token-bucket.ts",
    from: "group.tokens -= used;",
    to: "",
    tests: RATE_LIMIT,
  },
  {
    promise: "an isolate limits by itself while Redis is away",
    file: "middleware/rate-limit/bucket-state.ts",
    from: "this.local = { level: capacity - this.#unused(limit, nowMs) + tokens, atMs: nowMs };",
    to: "this.local = { level: capacity - this.#unused(limit, nowMs), atMs: nowMs };",
    tests: RATE_LIMIT,
  },
  {
    promise: "a strict limit takes back what an isolate admitted by itself",
    file: "middleware/rate-limit/bucket-state.ts",
    from: "if (limit.strict === true) this.#owed += tokens;",
    to: "",
    tests: RATE_LIMIT,
  },
  {
    promise: "a parameter that the route does not declare selects no entry",
    file: "middleware/response-cache/cacheable.ts",
    from: " || names.some((name) => !parameters.has(name))",
    to: "",
    tests: CACHE,
  },
  {
    promise: "a response with a cookie is not stored",
    file: "middleware/response-cache/entry.ts",
    from: '["set-cookie", "vary", "www-authenticate"]',
    to: '["vary", "www-authenticate"]',
    tests: CACHE,
  },
  {
    promise: "a write invalidates what was cached before it",
    file: "middleware/response-cache/invalidations.ts",
    from: "asOfMs <= forgottenMs || asOfMs <= last(tags)",
    to: "asOfMs <= forgottenMs",
    tests: CACHE,
  },
  {
    promise: "an old response never passes as new after its tag was forgotten",
    file: "middleware/response-cache/invalidations.ts",
    from: "forgottenMs = oldest[1];",
    to: "",
    tests: CACHE,
  },
  {
    promise: "a write without a key is not repeated",
    file: "resilience/retries.ts",
    from: 'return retry === "with-key" && hasKey ? "retry" : "never";',
    to: 'return retry === "with-key" ? "retry" : "never";',
    tests: ["test/resilience", "test/edge/attempts.test.ts"],
  },
  {
    promise: "retries stay within their share of the requests",
    file: "resilience/retries.ts",
    from: "if (balance < 1) return false;",
    to: "",
    tests: ["test/resilience/retry-budget.test.ts"],
  },
  {
    promise: "a breaker opens",
    file: "resilience/circuit-breaker/circuit-breaker.ts",
    from: 'this.#enter("open", reason, nowMs);',
    to: "",
    tests: BREAKER,
  },
  {
    promise: "a half-open breaker admits one probe at a time",
    file: "resilience/circuit-breaker/circuit-breaker.ts",
    from: "    this.#isProbing = true;\n",
    to: "",
    tests: BREAKER,
  },
  {
    promise: "a recovering dependency gets its load back step by step",
    file: "resilience/circuit-breaker/circuit-breaker.ts",
    from: "if (elapsedMs >= rampMs) {",
    to: "if (elapsedMs >= 0) {",
    tests: BREAKER,
  },
  {
    promise: "a key with another request is rejected",
    file: "origin/middleware/idempotency.ts",
    from: "row.fingerprint === fingerprint ? decode(row.answer, invalidated) : reused",
    to: "decode(row.answer, invalidated)",
    tests: KEYS,
  },
  {
    promise: "a key belongs to its principal",
    file: "origin/middleware/idempotency.ts",
    from: "r.principal = $1 AND r.key = $2`;",
    to: "r.key = $2 AND $1 <> ''`;",
    tests: KEYS,
  },
  {
    promise: "a response is stored with its write",
    file: "origin/middleware/idempotency.ts",
    from: "        transaction.query(STORE_ANSWER, record, GENERIC).catch(() => undefined);\n",
    to: "        void record;\n",
    tests: KEYS,
  },
  {
    promise: "a problem leaves nothing of its write behind",
    file: "origin/middleware/idempotency.ts",
    from: "if (isProblem(answer)) throw new ProblemError(answer);",
    to: "",
    tests: KEYS,
  },
  {
    promise: "a cursor cannot be forged",
    file: "origin/cursors.ts",
    from: "timingSafeEqual(mac, macOf(key, list, position))",
    to: "macOf(key, list, position).length === mac.length",
    tests: ["test/origin/cursors.test.ts"],
  },
  {
    promise: "a cursor is no use to another principal",
    file: "origin/cursors.ts",
    from: "principal ?? null",
    to: "principal && null",
    tests: ["test/origin/cursors.test.ts"],
  },
  {
    promise: "a request ends at its deadline",
    file: "origin/middleware/deadline.ts",
    from: 'if (deadline.deadlineAtMs <= nowMs) deadline.end("deadline");',
    to: "if (deadline.deadlineAtMs <= nowMs) entered.delete(deadline);",
    tests: ["test/origin/middleware"],
  },
  {
    promise: "a route cannot take what others need",
    file: "origin/middleware/load-shedding.ts",
    from: "return bulkhead === undefined ? runShared() : runUnder(bulkhead, name, route, scope, runShared);",
    to: "return bulkhead === undefined ? runShared() : runShared();",
    tests: ["test/origin/middleware"],
  },
  {
    promise: "a pod that drains is not ready",
    file: "origin/lifecycle/readiness.ts",
    from: "ready: isMigrated && !isDraining,",
    to: "ready: isMigrated,",
    tests: ["test/origin/lifecycle/readiness.test.ts"],
  },
  {
    promise: "a sensitive write has its audit event",
    file: "origin/middleware/write.ts",
    from: "if (!isProblem(answer)) audit?.store();",
    to: "",
    tests: ["test/e2e/security-events.test.ts"],
  },
];
