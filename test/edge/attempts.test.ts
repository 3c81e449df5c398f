/** The edge's attempts at failing origins, over real HTTP. */
import type { IncomingMessage, RequestListener } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { internalHeaders } from "../../src/contract/internal-headers.ts";
import type { OriginResponse } from "../../src/edge/upstream/client.ts";
import { signNotExecuted } from "../../src/middleware/signature/not-executed.ts";
import { testKey } from "../middleware/signature/signed-request.ts";
import {
  clientTo,
  clock,
  contextOf,
  delayed,
  disconnect,
  gateway,
  hang,
  KEY,
  outcomesOf,
  requestIdOf,
  respond,
  startOrigin,
  startTwo,
  statusOf,
  stopOrigins,
  stoppedClock,
  succeed,
  textOf,
  WRITE,
} from "./origins.ts";

afterEach(stopOrigins);

/** Always chooses the first origin. */
const first = () => 0;

/** A refusal with a signed proof that the request was not executed. */
const notExecuted =
  (status: number, keys = [KEY]): RequestListener =>
  (request, response) => {
    const proof = signNotExecuted(keys, status, (name) => request.headers[name]?.toString());
    respond(status, "", { "retry-after": "1", ...proof })(request, response);
  };

/** Applies the handlers in turn. */
const inTurn = (...handlers: readonly RequestListener[]): RequestListener => {
  let turn = 0;
  return (request, response) => handlers[turn++ % handlers.length]?.(request, response);
};

describe("a repeatable request is answered by another origin if the first one", () => {
  test.each<[string, RequestListener, string]>([
    ["breaks the connection", disconnect, "broken"],
    ["is unreachable behind its gateway", gateway(502), "not_origin"],
    ["is replaced by another server", (_, response) => void response.end("a proxy's page"), "not_origin"],
    ["responds 503", respond(503), "refused"],
    ["has not executed it", notExecuted(503), "not_executed"],
    ["rejects the edge's clock", notExecuted(401), "signature_rejected"],
  ])("%s", async (_, handler, outcome) => {
    const origins = await startTwo(handler, succeed);
    const { result, attempts } = await clientTo(origins, {}, first).send();
    expect(await textOf(result)).toBe("done");
    expect(outcomesOf(attempts)).toEqual([outcome, "answered"]);
    expect(origins.map(({ received }) => contextOf(received[0])?.attempt)).toEqual([1, 2]);
  });

  test("breaks off a response of a size that is read before it is passed on", async () => {
    const breakOff: RequestListener = (request, response) => {
      const id = requestIdOf(request);
      response.writeHead(200, { [internalHeaders.requestId]: id, "content-length": "5000" });
      response.write("the first half", () => request.socket.resetAndDestroy());
    };
    const { result, attempts } = await clientTo(await startTwo(breakOff, succeed), {}, first).send();
    expect(await textOf(result)).toBe("done");
    expect(outcomesOf(attempts)).toEqual(["broken", "answered"]);
  });
});

test("three failed attempts end with the last response of an origin", async () => {
  const origins = [...(await startTwo(gateway(502), disconnect)), await startOrigin(respond(503, "not now"))];
  const { result, attempts } = await clientTo(origins).send();
  expect(new Set(attempts.map(({ origin }) => origin)).size).toBe(3);
  expect(await textOf(result)).toBe("not now");
});

test.each([
  ["short", respond(200, "a")],
  ["read first", respond(200, "a".repeat(5_000), { "content-length": "5000" })],
  ["refused", respond(503, "not now")],
])("the header fields of a response that is %s can be changed", async (_, handler) => {
  const { result } = await clientTo([await startOrigin(handler)]).send(WRITE);
  if (result.kind !== "answered") throw new Error(`the request ended as ${result.kind}`);
  result.response.headers.set("ratelimit", "a");
  expect(result.response.headers.get("ratelimit")).toBe("a");
});

describe("a request that may not be repeated", () => {
  test.each([
    ["breaks the connection", disconnect, "unknown"],
    ["is unreachable behind its gateway", gateway(502), "not_origin"],
    ["responds 503 without proof", respond(503), 503],
    ["sends an unsigned proof", respond(503, "", { [internalHeaders.notExecuted]: "?1" }), 503],
    ["signs its proof with another key", notExecuted(503, [testKey("k", 7)]), 503],
  ])("is sent once if the origin %s", async (_, handler, status) => {
    const origins = await startTwo(handler, succeed);
    const { result } = await clientTo(origins, {}, first).send(WRITE);
    expect(statusOf(result)).toBe(status);
    expect(origins.map(({ received }) => received.length)).toEqual([1, 0]);
  });

  test("has an unknown outcome if one origin refuses it, and the connection to the next breaks", async () => {
    const origins = await startTwo(notExecuted(503), disconnect);
    const { result, attempts } = await clientTo(origins, {}, first).send(WRITE);
    expect(outcomesOf(attempts)).toEqual(["not_executed", "broken"]);
    expect(statusOf(result)).toBe("unknown");
  });

  test("misses its deadline, and is not refused, if one origin refuses it and the next does not respond", async () => {
    const { result } = await clientTo(await startTwo(notExecuted(503), hang), {}, first).send({
      ...WRITE,
      deadlineMs: 300,
    });
    expect(statusOf(result)).toBe("timed_out");
  });

  test.each([503, 401])("goes to another origin if a %d proves that it was not executed", async (status) => {
    const { result } = await clientTo(await startTwo(notExecuted(status), succeed), {}, first).send(WRITE);
    expect(await textOf(result)).toBe("done");
  });

  test("is not repeated for the proof of another request", async () => {
    let proof: Record<string, string> = {};
    const origins = await startTwo((request, response) => {
      proof = { ...signNotExecuted([KEY], 503, (name) => request.headers[name]?.toString()) };
      respond(503)(request, response);
    }, succeed);
    const { send } = clientTo(origins, {}, first);
    await send(WRITE);
    for (const { handle } of origins)
      handle((request, response) => respond(503, "", proof)(request, response));
    const { result, attempts } = await send(WRITE);
    expect(statusOf(result)).toBe(503);
    expect(outcomesOf(attempts)).toEqual(["refused"]);
  });

  test("gets a response without the proof", async () => {
    const { result } = await clientTo([await startOrigin(notExecuted(503))]).send(WRITE);
    if (result.kind !== "answered") throw new Error(result.kind);
    expect(result.response.headers.get("retry-after")).toBe("1");
    for (const name of [internalHeaders.notExecuted, "signature", "signature-input"])
      expect(result.response.headers.has(name)).toBe(false);
  });

  test("returns to the origin that has not executed it if the other one is down", async () => {
    const origins = await startTwo(inTurn(notExecuted(503), succeed), disconnect);
    const { send } = clientTo(origins, { retryPercent: 100 });
    // Until the client has learned which one is down.
    for (let reads = 0; reads < 20; reads += 1) await send();
    const statuses: (number | string)[] = [];
    for (let writes = 0; writes < 10; writes += 1) statuses.push(statusOf((await send(WRITE)).result));
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(9);
  });
});

test("sequential broken connections open the breaker, even with many requests in flight", async () => {
  const { send } = clientTo([await startOrigin(delayed(30, disconnect))], { retryPercent: 0 });
  const results: OriginResponse[] = [];
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let turn = 0; turn < 12; turn += 1) results.push((await send({ retryMode: "never" })).result);
    }),
  );
  expect(results.some((result) => result.kind === "unreachable" && result.retryAfterS !== undefined)).toBe(
    true,
  );
});

test.each([
  [2, 1],
  [3, 2],
  [5, 3],
])("of %d origins %d are down: even with little traffic no read fails", async (all, down) => {
  const handlers = Array.from({ length: all }, (_, index) => (index < down ? disconnect : succeed));
  const origins = await Promise.all(handlers.map((handler) => startOrigin(handler)));
  const { now, pass } = clock();
  const { send } = clientTo(origins, {}, Math.random, now);
  const statuses: (number | string)[] = [];
  // A request per second for two minutes. The first ones may need more than three attempts.
  for (let turn = 0; turn < 120; turn += 1) {
    const { result } = await send();
    if (turn >= 10) statuses.push(statusOf(result));
    pass(1_000);
  }
  expect(new Set(statuses)).toEqual(new Set([200]));
});

test("an origin that recovers, and is slower than the others, gets requests again", async () => {
  const origins = await startTwo(succeed, succeed);
  const [slower] = origins;
  const { now, pass } = stoppedClock();
  const { send, background } = clientTo(origins, { hedgePercent: 0 }, Math.random, now);
  for (let turn = 0; turn < 60; turn += 1) await send();
  slower.handle(disconnect);
  for (let turn = 0; turn < 40; turn += 1) {
    await send();
    pass(500);
  }
  slower.handle((request, response) => {
    pass(8);
    succeed(request, response);
  });
  for (let turn = 0; turn < 60; turn += 1) {
    await send();
    await Promise.all(background.splice(0));
    pass(500);
  }
  const before = slower.received.length;
  for (let turn = 0; turn < 200; turn += 1) await send();
  expect(slower.received.length - before).toBeGreaterThan(2);
});

describe("the only origin, which may be many pods,", () => {
  test("gets a request again if the connection breaks", async () => {
    const { result, attempts } = await clientTo([await startOrigin(inTurn(disconnect, succeed))]).send();
    expect(await textOf(result)).toBe("done");
    expect(outcomesOf(attempts)).toEqual(["broken", "answered"]);
  });

  test("gets a request again if it proves that it has not executed it, not after a plain 503", async () => {
    const origin = await startOrigin(respond(503));
    const { send } = clientTo([origin]);
    expect(outcomesOf((await send()).attempts)).toEqual(["refused"]);
    origin.handle(inTurn(notExecuted(503), succeed));
    expect(outcomesOf((await send(WRITE)).attempts)).toEqual(["not_executed", "answered"]);
  });

  test("stays in use if many requests break at once", async () => {
    const pending: IncomingMessage[] = [];
    const origin = await startOrigin((request) => void pending.push(request));
    const { send } = clientTo([origin]);
    const sending = Array.from({ length: 20 }, () => send());
    await expect.poll(() => pending.length, { interval: 1 }).toBe(20);
    origin.handle(succeed);
    for (const request of pending) request.socket.resetAndDestroy();
    // A new isolate's retry budget covers ten of them.
    const statuses = (await Promise.all(sending)).map(({ result }) => statusOf(result));
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(10);
    expect(statusOf((await send()).result)).toBe(200);
  });
});

describe("the retry budget", () => {
  test("allows retries for a fifth of the requests, plus the initial ones", async () => {
    const origins = await startTwo(disconnect, disconnect);
    // These breakers never open, so only the budget limits the retries.
    const breaker = { failureThreshold: 1_000_000, minimumCalls: 1_000_000 };
    const { send, events } = clientTo(origins, { breaker });
    const REQUESTS = 200;
    for (let turn = 0; turn < REQUESTS; turn += 1) await send();
    const attempts = origins.reduce((sum, { received }) => sum + received.length, 0);
    // The test takes some seconds, each of which adds a tenth of a retry.
    expect(attempts).toBeLessThanOrEqual(REQUESTS * 1.2 + 10 + 5);
    expect(attempts).toBeGreaterThan(REQUESTS * 1.15);
    const denials = events.flatMap((event) => (event.type === "retry_denied" ? [event.reason] : []));
    expect(denials).toContain("budget");
  });

  test("of 0 percent allows no retry", async () => {
    const { send } = clientTo(await startTwo(disconnect, disconnect), { retryPercent: 0 });
    expect(outcomesOf((await send()).attempts)).toEqual(["broken"]);
  });
});

describe("the deadline", () => {
  test("ends every attempt, and each attempt carries the time that is left", async () => {
    const origins = await startTwo(gateway(502), hang);
    const { result } = await clientTo(origins, {}, first).send({ deadlineMs: 600 });
    expect(statusOf(result)).toBe("timed_out");
    const [firstMs, secondMs] = origins.map(({ received }) => contextOf(received[0])?.timeoutMs ?? 0);
    expect(firstMs).toBeLessThanOrEqual(540);
    expect(secondMs).toBeLessThanOrEqual(firstMs ?? 0);
  });

  test("prevents a retry if less time is left than the median latency", async () => {
    const origin = await startOrigin(delayed(900, succeed));
    const { send, events } = clientTo([origin]);
    await Promise.all(Array.from({ length: 40 }, () => send()));
    origin.handle(delayed(600, disconnect));
    const { result } = await send({ deadlineMs: 1_300 });
    expect(statusOf(result)).toBe("unreachable");
    expect(events.at(-1)).toMatchObject({ type: "retry_denied", reason: "deadline" });
  });
});

test("weights set the origins' shares of requests", async () => {
  const origins = [await startOrigin(succeed, 3), await startOrigin(succeed, 1)];
  // With a stopped clock both are equally fast.
  const { send } = clientTo(origins, { hedgePercent: 0 }, Math.random, stoppedClock().now);
  for (let turn = 0; turn < 400; turn += 1) await send();
  const [heavy = 0, light = 0] = origins.map(({ received }) => received.length);
  expect(heavy / light).toBeGreaterThan(2);
  expect(heavy / light).toBeLessThan(4.5);
});
