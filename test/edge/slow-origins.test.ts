/** The edge's hedges and retries at slow origins, over real HTTP. */
import type { RequestListener } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import type { AttemptRecord } from "../../src/edge/upstream/attempt.ts";
import type { OriginClientOptions } from "../../src/edge/upstream/client.ts";
import {
  clientTo,
  clock,
  contextOf,
  delayed,
  disconnect,
  hang,
  type Origin,
  outcomesOf,
  requestIdOf,
  respond,
  startOrigin,
  startTwo,
  statusOf,
  stopOrigins,
  succeed,
  textOf,
  WRITE,
} from "./origins.ts";

afterEach(stopOrigins);

/** After this time each origin is probed, even a slow one. */
const PROBE_MS = 11_000;

/** A client that knows the latency of the route. */
const trained = async (
  origins: readonly Origin[],
  options: Partial<OriginClientOptions> = {},
  request = {},
) => {
  const { now, pass } = clock();
  const client = clientTo(origins, options, Math.random, now);
  for (let turn = 0; turn < 100; turn += 1) await client.send(request);
  pass(PROBE_MS);
  return { ...client, pass };
};

/** Sends until the origin has received one of several attempts, 50 times at most. @returns the outcomes of the last one */
const untilReceived = async (
  origin: Origin,
  send: ReturnType<typeof clientTo>["send"],
  options: Parameters<typeof send>[0] = {},
): Promise<AttemptRecord[]> => {
  const before = origin.received.length;
  for (let turn = 0; turn < 50; turn += 1) {
    const { result, attempts } = await send(options);
    expect(await textOf(result)).toBe("done");
    // An attempt of an earlier turn may arrive late.
    if (attempts.length > 1 && origin.received.length > before) return attempts;
  }
  throw new Error("the origin received no request");
};

/** Handles future requests; earlier attempts may still be on their way. */
const handleNext = (origin: Origin, handler: RequestListener, others: readonly Origin[] = []): void => {
  const before = new Set([origin, ...others].flatMap(({ received }) => received.map(requestIdOf)));
  origin.handle((request, response) => {
    if (before.has(requestIdOf(request))) succeed(request, response);
    else handler(request, response);
  });
};

describe("a slow read", () => {
  test("is hedged, and the first attempt is canceled", async () => {
    const origin = await startOrigin(succeed);
    const { send } = await trained([origin]);
    const closed = Promise.withResolvers<void>();
    let turn = 0;
    handleNext(origin, (request, response) => {
      turn += 1;
      if (turn === 1) response.once("close", closed.resolve);
      else succeed(request, response);
    });
    const { result, attempts } = await send();
    expect(await textOf(result)).toBe("done");
    expect(outcomesOf(attempts)).toEqual(["answered", "hedge_lost"]);
    await closed.promise;
  });

  test("is hedged at a second origin", async () => {
    const origins = await startTwo(succeed, succeed);
    const [slow] = origins;
    const { send } = await trained(origins);
    slow.handle(hang);
    const attempts = await untilReceived(slow, send);
    expect(outcomesOf(attempts)).toEqual(["answered", "hedge_lost"]);
    expect(attempts.map(({ origin }) => origin)).toEqual([1, 0]);
  });

  test("is answered by its first attempt if the hedge fails", async () => {
    const origin = await startOrigin(succeed);
    const { send } = await trained([origin]);
    let answerFirst = (): void => undefined;
    handleNext(origin, (request, response) => {
      if (contextOf(request)?.attempt === 1) {
        answerFirst = () => delayed(100, succeed)(request, response);
        return;
      }
      response.once("finish", () => answerFirst());
      respond(500)(request, response);
    });
    const { result, attempts } = await send();
    expect(await textOf(result)).toBe("done");
    expect(attempts.map(({ number, outcome }) => `${number} ${outcome}`)).toEqual([
      "2 answered",
      "1 answered",
    ]);
  });

  test("continues as a probe after its client has a response", async () => {
    const origins = await startTwo(succeed, succeed);
    const [slow, fast] = origins;
    const client = await trained(origins);
    const late: (() => void)[] = [];
    handleNext(slow, (request, response) => void late.push(() => succeed(request, response)), [fast]);
    for (let turn = 1; turn <= 500 && client.background.length === 0; turn += 1) {
      if (turn % 50 === 0) client.pass(PROBE_MS);
      await client.send();
    }
    expect(client.background.length).toBe(1);
    const counted = () =>
      client.events.flatMap((event) =>
        event.type === "attempt" && event.attempt.cause === "probe" ? [event.attempt.outcome] : [],
      );
    const before = counted();
    slow.handle(succeed);
    for (const answer of late) answer();
    await client.background[0];
    // Only now is it known how long the origin takes.
    expect(counted()).toEqual([...before, "answered"]);
  });

  test("is sent three times at most", async () => {
    const origin = await startOrigin(succeed);
    const { send } = await trained([origin]);
    let turn = 0;
    handleNext(origin, (request, response) => {
      turn += 1;
      if (turn <= 2) disconnect(request, response);
      else delayed(100, succeed)(request, response);
    });
    const { result, attempts } = await send();
    expect(await textOf(result)).toBe("done");
    expect(attempts.length).toBe(3);
  });

  test("is sent once if hedges and retries are off", async () => {
    const origins = await startTwo(succeed, succeed);
    const { send } = await trained(origins, { hedgePercent: 0, retryPercent: 0 });
    for (const origin of origins) origin.handle(hang);
    const { result, attempts } = await send({ deadlineMs: 200 });
    expect(statusOf(result)).toBe("timed_out");
    expect(attempts.length).toBe(1);
  });

  test("is hedged for one request in twenty at most", async () => {
    const origin = await startOrigin(succeed);
    const { send, events } = await trained([origin], { retryPercent: 0 });
    origin.handle(delayed(60, succeed));
    const before = events.length;
    await Promise.all(Array.from({ length: 100 }, () => send()));
    const hedges = events
      .slice(before)
      .filter((event) => event.type === "attempt" && event.attempt.cause === "hedge");
    expect(hedges.length).toBeGreaterThan(0);
    // Five from the first hundred requests, five from these.
    expect(hedges.length).toBeLessThanOrEqual(10);
  });
});

test("a slow write is never sent to two origins at once", async () => {
  const origins = await startTwo(succeed, succeed);
  const { send } = await trained(origins);
  for (const origin of origins) origin.handle(hang);
  const { attempts } = await send({ ...WRITE, deadlineMs: 300 });
  expect(attempts.length).toBe(1);
});

test("a slow repeatable write is canceled and sent again after half of its time", async () => {
  const origins = await startTwo(succeed, succeed);
  const [first] = origins;
  const { send } = await trained(origins, {}, { method: "PUT", retryMode: "retry" });
  const closed = Promise.withResolvers<void>();
  first.handle((_, response) => void response.once("close", closed.resolve));
  const attempts = await untilReceived(first, send, { method: "PUT", retryMode: "retry", deadlineMs: 3_000 });
  expect(outcomesOf(attempts)).toEqual(["hedge_lost", "answered"]);
  await closed.promise;
});
