/** What the edge does where an origin is slow, over real HTTP. */
import type { RequestListener } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import type { AttemptRecord } from "../../src/edge/upstream/attempt.ts";
import type { OriginClientOptions } from "../../src/edge/upstream/client.ts";
import { clientTo, clock, outcomes, statusOf, textOf, well } from "./origin-clients.ts";
import {
  contextOf,
  cutting,
  hanging,
  idOf,
  listen,
  ours,
  stopUpstreams,
  type Upstream,
} from "./upstreams.ts";

afterEach(stopUpstreams);

/** After so long each origin is looked at, however slow it happened to be before. */
const LOOK_MS = 11_000;

/** Requests until the origin has got one more, 50 at most. */
const untilSeen = async (upstream: Upstream, send: () => Promise<unknown>): Promise<void> => {
  const before = upstream.seen.length;
  for (let turn = 0; turn < 50 && upstream.seen.length === before; turn += 1) await send();
  expect(upstream.seen.length).toBeGreaterThan(before);
};

describe("a read that takes longer than nearly all do", () => {
  const taught = async (upstreams: readonly Upstream[], options: OriginClientOptions = {}) => {
    const { now, pass } = clock();
    const client = clientTo(upstreams, options, Math.random, now);
    for (let turn = 0; turn < 100; turn += 1) await client.send();
    pass(LOOK_MS);
    return { ...client, pass };
  };

  /** So it answers what comes from now on; of what came before, an attempt may still be on its way. */
  const answerNext = (
    upstream: Upstream,
    handler: RequestListener,
    others: readonly Upstream[] = [],
  ): void => {
    const before = new Set([upstream, ...others].flatMap(({ seen }) => seen.map(idOf)));
    upstream.answer((request, response) => {
      if (before.has(idOf(request))) well(request, response);
      else handler(request, response);
    });
  };

  test("is answered by a second attempt, and the first one is given up", async () => {
    const upstream = await listen(well);
    const { send } = await taught([upstream]);
    const closed = Promise.withResolvers<void>();
    let turn = 0;
    answerNext(upstream, (request, response) => {
      turn += 1;
      if (turn === 1) response.once("close", closed.resolve);
      else well(request, response);
    });
    const { answer, trail } = await send();
    expect(await textOf(answer)).toBe("done");
    expect(outcomes(trail)).toEqual(["answered", "hedge_lost"]);
    await closed.promise;
  });

  test("is answered by a second origin where there is one", async () => {
    const upstreams = [await listen(well), await listen(well)];
    const { send } = await taught(upstreams);
    const [slow] = upstreams;
    if (slow === undefined) throw new Error("there are two");
    slow.answer(hanging);
    const trails: AttemptRecord[][] = [];
    await untilSeen(slow, async () => {
      const { answer, trail } = await send();
      expect(await textOf(answer)).toBe("done");
      trails.push(trail);
    });
    expect(outcomes(trails.at(-1) ?? [])).toEqual(["answered", "hedge_lost"]);
    expect(trails.at(-1)?.map(({ origin }) => origin)).toEqual([1, 0]);
  });

  test("of which the second attempt fails first is answered by the first one", async () => {
    const upstream = await listen(well);
    const { send } = await taught([upstream]);
    let answerFirst = (): void => undefined;
    answerNext(upstream, (request, response) => {
      if (contextOf(request)?.attempt === 1) {
        answerFirst = () => void setTimeout(() => well(request, response), 100);
        return;
      }
      response.once("finish", () => answerFirst());
      ours(500)(request, response);
    });
    const { answer, trail } = await send();
    expect(await textOf(answer)).toBe("done");
    expect(trail.map(({ number, outcome }) => `${number} ${outcome}`)).toEqual(["2 answered", "1 answered"]);
  });

  test("that was sent to find something out goes on until that is found out, when its client has its answer", async () => {
    const upstreams = [await listen(well), await listen(well)];
    const client = await taught(upstreams);
    const late: (() => void)[] = [];
    const [slow, fast] = upstreams;
    if (slow === undefined || fast === undefined) throw new Error("there are two");
    answerNext(slow, (request, response) => void late.push(() => well(request, response)), [fast]);
    // On a busy machine it may get a hedge before it is sent something to find out, and is not looked at again so soon.
    for (let turn = 1; turn <= 500 && client.background.length === 0; turn += 1) {
      if (turn % 50 === 0) client.pass(LOOK_MS);
      await client.send();
    }
    expect(client.background.length).toBe(1);
    slow.answer(well);
    for (const answerNow of late) answerNow();
    await client.background[0];
  });

  test("is sent three times at most", async () => {
    const upstream = await listen(well);
    const { send } = await taught([upstream]);
    let turn = 0;
    answerNext(upstream, (request, response) => {
      turn += 1;
      if (turn <= 2) cutting(request, response);
      else setTimeout(() => well(request, response), 100);
    });
    const { answer, trail } = await send();
    expect(await textOf(answer)).toBe("done");
    expect(trail.length).toBe(3);
  });

  test("is not sent twice where no hedge is allowed", async () => {
    const upstreams = [await listen(well), await listen(well)];
    const { send } = await taught(upstreams, { hedgePercent: 0, retryPercent: 0 });
    for (const upstream of upstreams) upstream.answer(hanging);
    const { answer, trail } = await send({ deadlineMs: 200 });
    expect(statusOf(answer)).toBe("timed_out");
    expect(trail.length).toBe(1);
  });

  test("is sent a second time for one request in twenty at most", async () => {
    const upstream = await listen(well);
    const { send, events } = await taught([upstream], { retryPercent: 0 });
    const slowly: RequestListener = (request, response) => void setTimeout(() => well(request, response), 60);
    upstream.answer(slowly);
    const before = events.length;
    await Promise.all(Array.from({ length: 100 }, () => send()));
    const causes = events
      .slice(before)
      .flatMap((event) => (event.type === "attempt" ? [event.attempt.cause] : []));
    const hedges = causes.filter((cause) => cause === "hedge").length;
    expect(hedges).toBeGreaterThan(0);
    // Five that the first hundred have left, five of its own.
    expect(hedges).toBeLessThanOrEqual(10);
  });

  test("that is a write is never sent to two at once", async () => {
    const upstreams = [await listen(well), await listen(well)];
    const { send } = await taught(upstreams);
    for (const upstream of upstreams) upstream.answer(hanging);
    const { trail } = await send({ method: "POST", retryMode: "never", deadlineMs: 300 });
    expect(trail.length).toBe(1);
  });
});

describe("a write that may be made again", () => {
  test("is sent once more where half of its time has passed in vain, and no longer waited for", async () => {
    const upstreams = [await listen(well), await listen(well)];
    const { now, pass } = clock();
    const { send } = clientTo(upstreams, {}, Math.random, now);
    for (let turn = 0; turn < 60; turn += 1) await send({ method: "PUT", retryMode: "retry" });
    pass(LOOK_MS);
    const [first, second] = upstreams;
    if (first === undefined || second === undefined) throw new Error("there are two");
    const closed = Promise.withResolvers<void>();
    first.answer((_, response) => void response.once("close", closed.resolve));
    const trails: AttemptRecord[][] = [];
    await untilSeen(first, async () => {
      const { answer, trail } = await send({ method: "PUT", retryMode: "retry", deadlineMs: 800 });
      expect(await textOf(answer)).toBe("done");
      trails.push(trail);
    });
    expect(outcomes(trails.at(-1) ?? [])).toEqual(["hedge_lost", "answered"]);
    await closed.promise;
  });
});
