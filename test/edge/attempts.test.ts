/** What the edge does where an origin fails, over real HTTP. */
import type { IncomingMessage, RequestListener } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { internalHeaders } from "../../src/contract/internal-headers.ts";
import type { OriginResponse } from "../../src/edge/upstream/client.ts";
import { signNotExecuted } from "../../src/middleware/signature/not-executed.ts";
import { testKey } from "../middleware/signature/signed-request.ts";
import { clientTo, clock, KEY, outcomes, statusOf, stoppedClock, textOf, well } from "./origin-clients.ts";
import { contextOf, cutting, foreign, hanging, idOf, listen, ours, stopUpstreams } from "./upstreams.ts";

afterEach(stopUpstreams);

/** The first draw falls on the first origin, and nobody takes its place. */
const firstFirst = () => 0;

/** As our origin answers what it has not begun. */
const notBegun =
  (status: number, keys = [KEY]): RequestListener =>
  (request, response) => {
    const proof = signNotExecuted(keys, status, (name) => request.headers[name]?.toString());
    ours(status, "", { "retry-after": "1", ...proof })(request, response);
  };

describe("a request that may be made again is answered by another origin", () => {
  test.each<[string, RequestListener, string]>([
    ["breaks the connection", cutting, "broken"],
    ["is away behind its gateway", foreign(502), "not_origin"],
    [
      "is not what answers",
      (_, response) => void response.writeHead(200).end("a proxy's page"),
      "not_origin",
    ],
    ["refuses", ours(503), "refused"],
    ["has not begun", notBegun(503), "not_executed"],
    ["does not believe the edge's clock", notBegun(401), "signature_rejected"],
  ])("where the first one %s", async (_, handler, outcome) => {
    const upstreams = [await listen(handler), await listen(well)];
    const { answer, trail } = await clientTo(upstreams, {}, firstFirst).send();
    expect(await textOf(answer)).toBe("done");
    expect(outcomes(trail)).toEqual([outcome, "answered"]);
    expect(upstreams.map(({ seen }) => contextOf(seen[0])?.attempt)).toEqual([1, 2]);
  });

  test("where the first one's answer breaks off, if it is of a size that is read before it is passed on", async () => {
    const breakingOff: RequestListener = (request, response) => {
      response.writeHead(200, { [internalHeaders.requestId]: idOf(request), "content-length": "5000" });
      response.write("the first half", () => request.socket.resetAndDestroy());
    };
    const upstreams = [await listen(breakingOff), await listen(well)];
    const { answer, trail } = await clientTo(upstreams, {}, firstFirst).send();
    expect(await textOf(answer)).toBe("done");
    expect(outcomes(trail)).toEqual(["broken", "answered"]);
  });

  test("three times in all, and then its client is told what the last origin of ours has said", async () => {
    const upstreams = [await listen(foreign(502)), await listen(cutting), await listen(ours(503, "not now"))];
    const { send } = clientTo(upstreams, {}, Math.random);
    const { answer, trail } = await send();
    expect(trail.length).toBe(3);
    expect(new Set(trail.map(({ origin }) => origin)).size).toBe(3);
    expect(await textOf(answer)).toBe("not now");
  });
});

describe("a request that must not be done twice", () => {
  test.each([
    ["breaks the connection", cutting, "unreachable"],
    ["is away behind its gateway", foreign(502), "not_origin"],
    ["refuses, and does not say that it has done nothing", ours(503), 503],
    ["says so without a signature", ours(503, "", { [internalHeaders.notExecuted]: "?1" }), 503],
    ["says so with another one's key", notBegun(503, [testKey("k", 7)]), 503],
  ])("is sent once, where the origin %s", async (_, handler, result) => {
    const upstreams = [await listen(handler), await listen(well)];
    const { answer } = await clientTo(upstreams, {}, firstFirst).send({
      method: "POST",
      retryMode: "never",
    });
    expect(statusOf(answer)).toBe(result);
    expect(upstreams.map(({ seen }) => seen.length)).toEqual([1, 0]);
  });

  test.each([
    503, 401,
  ])("goes to another origin where the first one signs with %d that it has done nothing", async (status) => {
    const upstreams = [await listen(notBegun(status)), await listen(well)];
    const { answer } = await clientTo(upstreams, {}, firstFirst).send({
      method: "POST",
      retryMode: "never",
    });
    expect(await textOf(answer)).toBe("done");
  });

  test("is not sent again on the word that another request was not done", async () => {
    let proof: Record<string, string> = {};
    const upstream = await listen((request, response) => {
      proof = { ...signNotExecuted([KEY], 503, (name) => request.headers[name]?.toString()) };
      ours(503)(request, response);
    });
    const other = await listen(well);
    const { send } = clientTo([upstream, other], {}, firstFirst);
    await send({ method: "POST", retryMode: "never" });
    upstream.answer((request, response) => ours(503, "", proof)(request, response));
    other.answer((request, response) => ours(503, "", proof)(request, response));
    const { answer, trail } = await send({ method: "POST", retryMode: "never" });
    expect(statusOf(answer)).toBe(503);
    expect(outcomes(trail)).toEqual(["refused"]);
  });

  test("tells its client nothing of the proof", async () => {
    const upstream = await listen(notBegun(503));
    const { answer } = await clientTo([upstream]).send({ method: "POST", retryMode: "never" });
    if (answer.kind !== "answered") throw new Error(answer.kind);
    expect(answer.response.headers.get("retry-after")).toBe("1");
    for (const name of [internalHeaders.notExecuted, "signature", "signature-input"])
      expect(answer.response.headers.has(name)).toBe(false);
  });
});

test("connections that break one after another open the breaker, however many are under way", async () => {
  const upstream = await listen((request) => void setTimeout(() => request.socket.resetAndDestroy(), 30));
  const { send } = clientTo([upstream], { retryPercent: 0 });
  const answers: OriginResponse[] = [];
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let turn = 0; turn < 12; turn += 1) answers.push((await send({ retryMode: "never" })).answer);
    }),
  );
  const refused = answers.filter(
    (answer) => answer.kind === "unreachable" && answer.retryAfterS !== undefined,
  );
  expect(refused.length).toBeGreaterThan(0);
});

test.each([
  [2, 1],
  [3, 2],
  [5, 3],
])("of %d origins %d are dead: with hardly any traffic no read fails", async (all, dead) => {
  const upstreams = await Promise.all(
    Array.from({ length: all }, (_, n) => listen(n < dead ? cutting : well)),
  );
  const { now, pass } = clock();
  const { send } = clientTo(upstreams, {}, Math.random, now);
  const statuses: (number | string)[] = [];
  // A request a second, for two minutes; at first it may take more attempts than there are to find one that is well.
  for (let turn = 0; turn < 120; turn += 1) {
    const { answer } = await send();
    if (turn >= 10) statuses.push(statusOf(answer));
    pass(1_000);
  }
  expect(new Set(statuses)).toEqual(new Set([200]));
});

test("one that is back, and slower than the others, gets its share of requests again", async () => {
  const upstreams = [await listen(well), await listen(well)];
  const [slower] = upstreams;
  if (slower === undefined) throw new Error("there are two");
  const { now, pass } = stoppedClock();
  const { send, background } = clientTo(upstreams, { hedgePercent: 0 }, Math.random, now);
  for (let turn = 0; turn < 60; turn += 1) await send();
  slower.answer(cutting);
  for (let turn = 0; turn < 40; turn += 1) {
    await send();
    pass(500);
  }
  slower.answer((request, response) => {
    pass(8);
    well(request, response);
  });
  for (let turn = 0; turn < 60; turn += 1) {
    await send();
    await Promise.all(background.splice(0));
    pass(500);
  }
  const before = slower.seen.length;
  for (let turn = 0; turn < 200; turn += 1) await send();
  expect(slower.seen.length - before).toBeGreaterThan(2);
});

test("a write that one origin has not begun goes there again where the other one is away", async () => {
  let turn = 0;
  const shedding = await listen((request, response) =>
    (turn++ % 2 === 0 ? notBegun(503) : well)(request, response),
  );
  const upstreams = [shedding, await listen(cutting)];
  const { send } = clientTo(upstreams, { retryPercent: 100 });
  // Until it is known.
  for (let reads = 0; reads < 20; reads += 1) await send();
  const statuses: (number | string)[] = [];
  for (let writes = 0; writes < 10; writes += 1)
    statuses.push(statusOf((await send({ method: "POST", retryMode: "never" })).answer));
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(9);
});

describe("with one origin, behind which there may be many pods", () => {
  test("what breaks is sent there again", async () => {
    let turn = 0;
    const upstream = await listen((request, response) => (turn++ === 0 ? cutting : well)(request, response));
    const { answer, trail } = await clientTo([upstream]).send();
    expect(await textOf(answer)).toBe("done");
    expect(outcomes(trail)).toEqual(["broken", "answered"]);
  });

  test("what it has not begun is sent there again, and what it refuses is not", async () => {
    const upstream = await listen(ours(503));
    const { send } = clientTo([upstream]);
    expect(outcomes((await send()).trail)).toEqual(["refused"]);
    let turn = 0;
    upstream.answer((request, response) => (turn++ === 0 ? notBegun(503) : well)(request, response));
    expect(outcomes((await send({ method: "POST", retryMode: "never" })).trail)).toEqual([
      "not_executed",
      "answered",
    ]);
  });

  test("requests that break together open no breaker", async () => {
    const held: IncomingMessage[] = [];
    const upstream = await listen((request) => void held.push(request));
    const { send } = clientTo([upstream]);
    const sending = Array.from({ length: 20 }, () => send());
    await expect.poll(() => held.length, { interval: 1 }).toBe(20);
    upstream.answer(well);
    for (const request of held) request.socket.resetAndDestroy();
    // The budget of an isolate that has just begun goes for ten of them.
    const statuses = (await Promise.all(sending)).map(({ answer }) => statusOf(answer));
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(10);
    expect(statusOf((await send()).answer)).toBe(200);
  });
});

describe("the budget", () => {
  test("lets a fifth of the requests be made again while everything fails, beside what it began with", async () => {
    const upstreams = [await listen(cutting), await listen(cutting)];
    // Breakers that never open, so that it is the budget that bounds.
    const breaker = { failureThreshold: 1_000_000, minimumCalls: 1_000_000 };
    const { send, events } = clientTo(upstreams, { breaker });
    const REQUESTS = 200;
    for (let turn = 0; turn < REQUESTS; turn += 1) await send();
    const attempts = upstreams.reduce((sum, { seen }) => sum + seen.length, 0);
    // It has lasted some seconds at most, each of which adds a tenth of an attempt.
    expect(attempts).toBeLessThanOrEqual(REQUESTS * 1.2 + 10 + 5);
    expect(attempts).toBeGreaterThan(REQUESTS * 1.15);
    const denied = events.flatMap((event) => (event.type === "retry_denied" ? [event.reason] : []));
    expect(denied).toContain("budget");
  });

  test("of nothing lets nothing be made again", async () => {
    const upstreams = [await listen(cutting), await listen(cutting)];
    const { send } = clientTo(upstreams, { retryPercent: 0 });
    expect(outcomes((await send()).trail)).toEqual(["broken"]);
  });
});

describe("the deadline", () => {
  test("ends every attempt, and what is left of it is told with each", async () => {
    const upstreams = [await listen(foreign(502)), await listen(hanging)];
    const { answer } = await clientTo(upstreams, {}, firstFirst).send({ deadlineMs: 600 });
    expect(statusOf(answer)).toBe("timed_out");
    const told = upstreams.map(({ seen }) => contextOf(seen[0])?.timeoutMs ?? 0);
    expect(told[0]).toBeLessThanOrEqual(540);
    expect(told[1]).toBeLessThanOrEqual(told[0] ?? 0);
  });

  test("with less left than half of the answers take nothing is made again", async () => {
    const upstream = await listen((request, response) => void setTimeout(() => well(request, response), 900));
    const { send, events } = clientTo([upstream]);
    await Promise.all(Array.from({ length: 40 }, () => send()));
    upstream.answer((request) => void setTimeout(() => request.socket.resetAndDestroy(), 600));
    const { answer } = await send({ deadlineMs: 1_300 });
    expect(statusOf(answer)).toBe("unreachable");
    expect(events.at(-1)).toMatchObject({ type: "retry_denied", reason: "deadline" });
  });
});

test("origins get their shares by their weights", async () => {
  const upstreams = [await listen(well, 3), await listen(well, 1)];
  // So they are equally fast.
  const { send } = clientTo(upstreams, { hedgePercent: 0 }, Math.random, stoppedClock().now);
  for (let turn = 0; turn < 400; turn += 1) await send();
  const [heavy = 0, light = 0] = upstreams.map(({ seen }) => seen.length);
  expect(heavy / light).toBeGreaterThan(2);
  expect(heavy / light).toBeLessThan(4.5);
});
