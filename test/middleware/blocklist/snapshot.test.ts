/** Which requests wait for the blocklist or load it, and the effect of loads that fail or never end. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Blocklist } from "../../../src/middleware/blocklist/blocklist.ts";
import { blocklistSnapshot, type VersionedBlocklist } from "../../../src/middleware/blocklist/snapshot.ts";
import { requestReader } from "../support/app.ts";
import { blocklist } from "./support.ts";

const START_MS = 1_800_000_000_000;

beforeEach(() => {
  vi.useFakeTimers({ now: START_MS, toFake: ["setTimeout", "clearTimeout", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const versioned = (version: string): VersionedBlocklist => ({ version, list: blocklist([]) });
const first = versioned("1");
const second = versioned("2");
const third = versioned("3");

/** Time passes, milliseconds. */
const pass = async (ms: number): Promise<void> => {
  await vi.advanceTimersByTimeAsync(ms);
};
const settle = () => pass(0);
const setClockBack = (ms: number): void => void vi.setSystemTime(Date.now() - ms);

const request = requestReader();

interface PendingRequest {
  /** The request's list, or "waits" without a result. */
  result: Blocklist | undefined | "waits";
}

/** An isolate whose loads are ended by the test. */
const isolate = () => {
  const loads: PromiseWithResolvers<VersionedBlocklist>[] = [];
  const known: (VersionedBlocklist | undefined)[] = [];
  const log: unknown[] = [];
  const snapshot = blocklistSnapshot({
    load: (current) => {
      known.push(current);
      const load = Promise.withResolvers<VersionedBlocklist>();
      loads.push(load);
      return load.promise;
    },
    now: () => Date.now(),
    log: (entry) => void log.push(entry),
  });

  const lastLoad = (): PromiseWithResolvers<VersionedBlocklist> => {
    const load = loads.at(-1);
    if (load === undefined) throw new Error("no load has begun");
    return load;
  };
  return {
    log,
    /** The argument of each load. */
    known,
    request: (): PendingRequest => {
      const list = snapshot(request);
      const pending: PendingRequest = { result: list instanceof Promise ? "waits" : list };
      if (list instanceof Promise)
        void list.then((late) => {
          pending.result = late;
        });
      return pending;
    },
    /** Ends the last load. */
    finish: async (loaded: VersionedBlocklist) => {
      lastLoad().resolve(loaded);
      await settle();
    },
    fail: async () => {
      lastLoad().reject(new Error("no answer"));
      await settle();
    },
    lastLoad,
    get loads() {
      return loads.length;
    },
  };
};

/** An isolate with the first list, of this age. */
const started = async (ageMs = 0) => {
  const edge = isolate();
  edge.request();
  await edge.finish(first);
  await pass(ageMs);
  return edge;
};

describe("an isolate's first request", () => {
  test("waits for the list, and concurrent requests do not load it again", async () => {
    const edge = isolate();
    const requests = [edge.request(), edge.request()];
    await pass(20);
    requests.push(edge.request());
    expect(requests.map(({ result }) => result)).toEqual(["waits", "waits", "waits"]);
    await edge.finish(first);
    await pass(10);
    for (const { result } of requests) expect(result).toBe(first.list);
    expect(edge.known).toEqual([undefined]);
  });

  test("waits for at most 150 ms", async () => {
    const edge = isolate();
    const pending = edge.request();
    await pass(149);
    expect(pending.result).toBe("waits");
    await pass(1);
    expect(pending.result).toBeUndefined();
  });
});

describe("a loaded list", () => {
  test("is not refreshed if it is younger than 2.5 s", async () => {
    const edge = await started(2_499);
    expect(edge.request().result).toBe(first.list);
    expect(edge.loads).toBe(1);
  });

  test("is refreshed in the background from then on, by one request", async () => {
    const edge = await started(2_500);
    for (const _ of [1, 2, 3]) expect(edge.request().result).toBe(first.list);
    expect(edge.known).toEqual([undefined, first]);
    await pass(1_999);
    expect(edge.request().result).toBe(first.list);
    await edge.finish(second);
    expect(edge.request().result).toBe(second.list);
  });

  test("ages from the start of its load, not from the end", async () => {
    const edge = await started(2_500);
    edge.request();
    await pass(1_000);
    await edge.finish(second);
    await pass(1_499);
    edge.request();
    expect(edge.loads).toBe(2);
    await pass(1);
    edge.request();
    expect(edge.loads).toBe(3);
  });

  test("is refreshed before a request continues if it is 4.5 s old", async () => {
    const edge = await started(4_500);
    const pending = edge.request();
    expect(pending.result).toBe("waits");
    await edge.finish(second);
    await pass(10);
    expect(pending.result).toBe(second.list);
  });
});

describe("if loads fail", () => {
  test("waiting requests continue without a list, and later ones do not wait", async () => {
    const edge = isolate();
    const pending = edge.request();
    await edge.fail();
    await pass(10);
    expect([pending.result, edge.request().result]).toEqual([undefined, undefined]);
  });

  test("the last list is still used", async () => {
    const edge = await started(2_500);
    edge.request();
    await edge.fail();
    for (let turn = 0; turn < 60; turn += 1) {
      await pass(1_000);
      expect(edge.request().result).toBe(first.list);
      await edge.fail();
    }
  });

  test("one more request waits after a pause", async () => {
    const edge = await started(2_500);
    edge.request();
    await edge.fail();
    await pass(60_000);
    const pending = edge.request();
    expect(pending.result).toBe("waits");
    await edge.fail();
    await pass(10);
    expect(pending.result).toBe(first.list);
    expect(edge.request().result).toBe(first.list);
  });

  test("the list is loaded once a second until that succeeds", async () => {
    const edge = isolate();
    edge.request();
    for (let tries = 1; tries < 10; tries += 1) {
      await edge.fail();
      await pass(999);
      edge.request();
      expect(edge.loads).toBe(tries);
      await pass(1);
      for (const _ of [1, 2, 3]) expect(edge.request().result).toBeUndefined();
      expect(edge.loads).toBe(tries + 1);
    }
    await edge.finish(first);
    await pass(4_500);
    expect(edge.request().result).toBe("waits");
  });

  test("only the first failure and the recovery are logged", async () => {
    const edge = await started(2_500);
    for (let turn = 0; turn < 5; turn += 1) {
      edge.request();
      await edge.fail();
      await pass(1_000);
    }
    const failed = { level: "warn", message: "the blocklist is unavailable" };
    expect(edge.log).toEqual([{ ...failed, error: "Error: no answer", has: "1" }]);
    edge.request();
    await edge.finish(second);
    expect(edge.log.slice(1)).toEqual([{ level: "info", message: "the blocklist is available again" }]);
    await pass(2_500);
    edge.request();
    await edge.finish(second);
    expect(edge.log).toHaveLength(2);
  });
});

describe("a load that does not end", () => {
  test("makes requests wait only once", async () => {
    const edge = await started(4_500);
    const pending = edge.request();
    expect(pending.result).toBe("waits");
    await pass(200);
    expect(pending.result).toBe(first.list);
    expect(edge.request().result).toBe(first.list);
    expect(edge.loads).toBe(2);
  });

  test("is replaced by another after 10 s", async () => {
    const edge = await started(2_500);
    edge.request();
    await pass(9_999);
    edge.request();
    expect(edge.loads).toBe(2);
    await pass(1);
    edge.request();
    expect(edge.loads).toBe(3);
  });

  test("does not overwrite the list of a later load when it ends", async () => {
    const edge = await started(2_500);
    edge.request();
    const late = edge.lastLoad();
    await pass(10_000);
    edge.request();
    await edge.finish(third);
    late.resolve(second);
    await settle();
    expect(edge.request().result).toBe(third.list);
  });

  test("logs no failure if a later load has succeeded", async () => {
    const edge = await started(2_500);
    edge.request();
    const late = edge.lastLoad();
    await pass(10_000);
    edge.request();
    await edge.finish(third);
    late.reject(new Error("no answer"));
    await settle();
    expect(edge.log).toEqual([]);
    await pass(4_500);
    expect(edge.request().result).toBe("waits");
  });
});

describe("a clock that is set back", () => {
  test("makes the list's age unknown, so it is loaded again", async () => {
    const edge = await started();
    setClockBack(3_600_000);
    const pending = edge.request();
    expect(pending.result).toBe("waits");
    await edge.finish(second);
    await pass(10);
    expect(pending.result).toBe(second.list);
    expect(edge.loads).toBe(2);
  });

  test("does not delay the next load, whether the last one is under way or has failed", async () => {
    const hanging = isolate();
    hanging.request();
    setClockBack(3_600_000);
    hanging.request();
    expect(hanging.loads).toBe(2);

    const failed = isolate();
    failed.request();
    await failed.fail();
    setClockBack(3_600_000);
    failed.request();
    expect(failed.loads).toBe(2);
  });
});
