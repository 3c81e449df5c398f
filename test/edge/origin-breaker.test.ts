import type { RequestListener } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { originBreaker, readEdgeConfig } from "../../src/edge/config.ts";
import type { OriginResponse } from "../../src/edge/upstream/client.ts";
import { clientTo, type SendOptions, stoppedClock } from "./origin-clients.ts";
import {
  contextOf,
  cutting,
  foreign,
  hanging,
  listen,
  ours,
  stopUpstreams,
  type Upstream,
} from "./upstreams.ts";

afterEach(stopUpstreams);

/** The time is over as soon as the request is on its way. */
const overSoon = (): AbortSignal => AbortSignal.timeout(30);

/** A client whose clock stands still, and whose breakers stay open for all of their time. */
const start = (upstreams: readonly Upstream[], random = () => 0.999) => {
  const { now, pass } = stoppedClock();
  const { send: sendOne, lines } = clientTo(upstreams, {}, random, now);
  const send = async (options: SendOptions = {}): Promise<OriginResponse> =>
    (await sendOne({ retryMode: "never", ...options })).answer;
  const sendMany = async (times: number): Promise<OriginResponse[]> => {
    const answers: OriginResponse[] = [];
    for (let turn = 0; turn < times; turn += 1) answers.push(await send());
    return answers;
  };
  return { send, sendMany, pass, lines };
};

const kinds = (answers: readonly OriginResponse[]): string[] => answers.map(({ kind }) => kind);
const REFUSED = { kind: "unreachable", retryAfterS: 1 };

describe("an origin is no longer asked after five failures one after another", () => {
  test.each<[string, RequestListener, OriginResponse["kind"]]>([
    ["a connection that breaks", cutting, "unreachable"],
    ["no answer in time", hanging, "timed_out"],
    ["a gateway's 502", foreign(502), "not_origin"],
    ["a gateway's 503", foreign(503), "not_origin"],
    ["a gateway's 504", foreign(504), "not_origin"],
    ["the platform's 521, for an origin that refuses", foreign(521), "not_origin"],
    ["the platform's 530, for an origin whose name is not found", foreign(530), "not_origin"],
  ])("%s", async (_, handler, kind) => {
    const upstream = await listen(handler);
    const { send, lines } = start([upstream]);
    for (let turn = 0; turn < 5; turn += 1)
      expect(await send(handler === hanging ? { signal: overSoon() } : {})).toMatchObject({ kind });
    const asked = upstream.seen.length;
    expect([await send(), await send()]).toEqual([REFUSED, REFUSED]);
    expect(upstream.seen.length).toBe(asked);
    expect(lines).toEqual([
      {
        level: "warn",
        message: "circuit breaker",
        dependency: "origin",
        origin: upstream.authority,
        from: "closed",
        to: "open",
        reason: "consecutive_failures",
      },
    ]);
  });
});

describe("an origin goes on being asked however often", () => {
  test.each([
    ["it answers 500", ours(500)],
    ["it answers 503, which tells of what is behind it", ours(503)],
    ["it answers 504, because it was slow", ours(504)],
    ["something before it answers 404", foreign(404)],
    ["something before it answers 500", foreign(500)],
  ])("%s", async (_, handler) => {
    const upstream = await listen(handler);
    const { sendMany, lines } = start([upstream]);
    await sendMany(30);
    expect(upstream.seen.length).toBe(30);
    expect(lines).toEqual([]);
  });

  test("its clients go away before its answer", async () => {
    const upstream = await listen(hanging);
    const { send, lines } = start([upstream]);
    for (let turn = 1; turn <= 10; turn += 1) {
      const leaving = new AbortController();
      const answer = send({ signal: leaving.signal });
      await expect.poll(() => upstream.seen.length, { interval: 1 }).toBe(turn);
      leaving.abort();
      await answer;
    }
    expect(lines).toEqual([]);
  });

  test("there was hardly any time left for its answer", async () => {
    const upstream = await listen(hanging);
    const { send, lines } = start([upstream]);
    for (let turn = 0; turn < 10; turn += 1)
      expect(await send({ deadlineMs: 499, signal: overSoon() })).toEqual({ kind: "timed_out" });
    expect(lines).toEqual([]);
  });
});

test.each([
  [10_000, 9_900],
  [1_000, 900],
  [200, 180],
])("with %d ms left the origin is told of %s", async (deadlineMs, told) => {
  const header = Promise.withResolvers<unknown>();
  const upstream = await listen((request, response) => {
    header.resolve(contextOf(request)?.timeoutMs);
    ours(200)(request, response);
  });
  await start([upstream]).send({ deadlineMs });
  expect(await header.promise).toBe(told);
});

test("where no origin may be called a request is refused until the first may be tried again", async () => {
  const upstreams = [await listen(cutting), await listen(cutting)];
  const { sendMany } = start(upstreams, Math.random);
  expect(new Set(kinds(await sendMany(40)))).toEqual(new Set(["unreachable"]));
  expect(upstreams[0]?.seen.length).toBeGreaterThanOrEqual(5);
  expect(upstreams[1]?.seen.length).toBeGreaterThanOrEqual(5);
  expect(await sendMany(1)).toEqual([REFUSED]);
});

test("an origin that is back is tried by one request at a time, and gets all of them after three", async () => {
  let handler = cutting;
  const waiting: (() => void)[] = [];
  const upstream = await listen((request, response) => handler(request, response));
  const { send, sendMany, pass, lines } = start([upstream]);
  await sendMany(5);
  expect(await send()).toEqual(REFUSED);

  handler = (request, response) => void waiting.push(() => ours(200)(request, response));
  pass(500);
  for (let probe = 1; probe <= 3; probe += 1) {
    const probing = send();
    await expect.poll(() => waiting.length, { interval: 1 }).toBe(probe);
    expect(await send()).toEqual({ kind: "unreachable", retryAfterS: 10 });
    waiting[probe - 1]?.();
    expect(await probing).toMatchObject({ kind: "answered" });
  }
  handler = ours(200);
  expect(new Set(kinds(await sendMany(20)))).toEqual(new Set(["answered"]));
  expect(lines.map(({ to }) => to)).toEqual(["open", "half_open", "closed"]);
});

test("an origin without any other is refused for two seconds at most at a time", async () => {
  const upstream = await listen(cutting);
  const { send, sendMany, pass } = start([upstream]);
  await sendMany(5);
  for (const openMs of [500, 1_000, 2_000, 2_000]) {
    pass(openMs - 10);
    expect(await send()).toMatchObject({ retryAfterS: 1 });
    pass(10);
    expect(await send()).toEqual({ kind: "unreachable" });
  }
});

test("without an origin nothing can be reached", async () => {
  expect(await start([]).send()).toEqual({ kind: "unreachable" });
});

test("the breaker's numbers are the edge's configuration", () => {
  const reading = readEdgeConfig({
    ORIGINS: "https://origin.example.com",
    SIGNING_KEYS: `k:${"A".repeat(43)}=`,
    UPSTASH_REDIS_REST_URL: "https://redis.example.com",
    UPSTASH_REDIS_REST_TOKEN: "token",
    CIRCUIT_BREAKER_FAILURE_THRESHOLD: "7",
    CIRCUIT_BREAKER_SUCCESS_THRESHOLD: "1",
    CIRCUIT_BREAKER_TIMEOUT_MS: "4000",
    CIRCUIT_BREAKER_HALF_OPEN_TIMEOUT_MS: "60000",
  });
  if (!reading.ok) throw new Error(reading.message);
  expect(originBreaker(reading.value)).toEqual({
    failureThreshold: 7,
    successThreshold: 1,
    timeoutMs: 4_000,
    halfOpenTimeoutMs: 60_000,
  });
});
