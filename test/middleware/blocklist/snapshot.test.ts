/** Who waits for the blocklist, who has it loaded, and what becomes of a loading that fails or never ends. */
import { describe, expect, test } from "vitest";
import type { Blocklist } from "../../../src/middleware/blocklist/blocklist.ts";
import {
  createBlocklistSnapshot,
  type VersionedBlocklist,
} from "../../../src/middleware/blocklist/snapshot.ts";
import { openExchange } from "../open-exchange.ts";
import { blocklist } from "./support.ts";

const START_MS = 1_800_000_000_000;

const versioned = (version: string): VersionedBlocklist => ({ version, list: blocklist([]) });
const first = versioned("1");
const second = versioned("2");
const third = versioned("3");

/** Lets all go on that waits for no time. */
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

interface Asking {
  /** So far. */
  answer: Blocklist | undefined | "waits";
}

/** An isolate with a clock of its own, whose loadings end when they are told to. */
const isolate = () => {
  let nowMs = START_MS;
  let waiting: { readonly atMs: number; readonly wake: () => void }[] = [];
  const loadings: PromiseWithResolvers<VersionedBlocklist>[] = [];
  const known: (VersionedBlocklist | undefined)[] = [];
  const log: unknown[] = [];
  const held = createBlocklistSnapshot({
    load: (present) => {
      known.push(present);
      const loading = Promise.withResolvers<VersionedBlocklist>();
      loadings.push(loading);
      return loading.promise;
    },
    sleep: (ms) => new Promise<void>((wake) => waiting.push({ atMs: nowMs + ms, wake })),
    now: () => nowMs,
    log: (entry) => void log.push(entry),
  });

  const last = (): PromiseWithResolvers<VersionedBlocklist> => {
    const loading = loadings.at(-1);
    if (loading === undefined) throw new Error("nothing was loaded yet");
    return loading;
  };
  const pass = async (ms: number): Promise<void> => {
    const endMs = nowMs + ms;
    for (;;) {
      const nextMs = Math.min(...waiting.map(({ atMs }) => atMs));
      if (nextMs > endMs) break;
      nowMs = nextMs;
      const due = waiting.filter(({ atMs }) => atMs <= nextMs);
      waiting = waiting.filter(({ atMs }) => atMs > nextMs);
      for (const { wake } of due) wake();
      await settle();
    }
    nowMs = endMs;
  };
  return {
    log,
    /** What each loading was given. */
    known,
    ask: (): Asking => {
      const list = held(openExchange());
      const asking: Asking = { answer: list instanceof Promise ? "waits" : list };
      if (list instanceof Promise)
        void list.then((late) => {
          asking.answer = late;
        });
      return asking;
    },
    /** The last loading ends so. */
    bring: async (loaded: VersionedBlocklist) => {
      last().resolve(loaded);
      await settle();
    },
    fail: async () => {
      last().reject(new Error("no answer"));
      await settle();
    },
    last,
    pass,
    setBack: (ms: number) => {
      nowMs -= ms;
    },
    get loads() {
      return loadings.length;
    },
  };
};

/** One whose first list is so old. */
const started = async (ageMs = 0) => {
  const edge = isolate();
  edge.ask();
  await edge.bring(first);
  await edge.pass(ageMs);
  return edge;
};

describe("an isolate's first request", () => {
  test("waits for the list, and those that come with it do not load it a second time", async () => {
    const edge = isolate();
    const askings = [edge.ask(), edge.ask()];
    await edge.pass(20);
    askings.push(edge.ask());
    expect(askings.map(({ answer }) => answer)).toEqual(["waits", "waits", "waits"]);
    await edge.bring(first);
    await edge.pass(10);
    for (const { answer } of askings) expect(answer).toBe(first.list);
    expect(edge.known).toEqual([undefined]);
  });

  test("waits no longer than 150 ms", async () => {
    const edge = isolate();
    const asking = edge.ask();
    await edge.pass(149);
    expect(asking.answer).toBe("waits");
    await edge.pass(1);
    expect(asking.answer).toBeUndefined();
  });
});

describe("a list that is there", () => {
  test("is taken as it is while it is younger than 2.5 s", async () => {
    const edge = await started(2_499);
    expect(edge.ask().answer).toBe(first.list);
    expect(edge.loads).toBe(1);
  });

  test("is loaded in the background from then on, by one request, and nobody waits for that", async () => {
    const edge = await started(2_500);
    for (const _ of [1, 2, 3]) expect(edge.ask().answer).toBe(first.list);
    expect(edge.known).toEqual([undefined, first]);
    await edge.pass(1_999);
    expect(edge.ask().answer).toBe(first.list);
    await edge.bring(second);
    expect(edge.ask().answer).toBe(second.list);
  });

  test("is as old as its loading, not as its coming", async () => {
    const edge = await started(2_500);
    edge.ask();
    await edge.pass(1_000);
    await edge.bring(second);
    await edge.pass(1_499);
    edge.ask();
    expect(edge.loads).toBe(2);
    await edge.pass(1);
    edge.ask();
    expect(edge.loads).toBe(3);
  });

  test("is waited for after a pause, when it is 4.5 s old", async () => {
    const edge = await started(4_500);
    const asking = edge.ask();
    expect(asking.answer).toBe("waits");
    await edge.bring(second);
    await edge.pass(10);
    expect(asking.answer).toBe(second.list);
  });

  test("counts after 150 ms all the same, however old it is", async () => {
    const edge = await started(3_600_000);
    const asking = edge.ask();
    await edge.pass(150);
    expect(asking.answer).toBe(first.list);
  });
});

describe("where it cannot be had", () => {
  test("those who wait go on, and nobody waits any more", async () => {
    const edge = isolate();
    const asking = edge.ask();
    await edge.fail();
    await edge.pass(10);
    expect([asking.answer, edge.ask().answer]).toEqual([undefined, undefined]);
  });

  test("what there was stays in force", async () => {
    const edge = await started(2_500);
    edge.ask();
    await edge.fail();
    for (let turn = 0; turn < 60; turn += 1) {
      await edge.pass(1_000);
      expect(edge.ask().answer).toBe(first.list);
      await edge.fail();
    }
  });

  test("after a pause it is waited for once more", async () => {
    const edge = await started(2_500);
    edge.ask();
    await edge.fail();
    await edge.pass(60_000);
    const asking = edge.ask();
    expect(asking.answer).toBe("waits");
    await edge.fail();
    await edge.pass(10);
    expect(asking.answer).toBe(first.list);
    expect(edge.ask().answer).toBe(first.list);
  });

  test("it is tried again once a second, until it is there", async () => {
    const edge = isolate();
    edge.ask();
    for (let tries = 1; tries < 10; tries += 1) {
      await edge.fail();
      await edge.pass(999);
      edge.ask();
      expect(edge.loads).toBe(tries);
      await edge.pass(1);
      for (const _ of [1, 2, 3]) expect(edge.ask().answer).toBeUndefined();
      expect(edge.loads).toBe(tries + 1);
    }
    await edge.bring(first);
    await edge.pass(4_500);
    expect(edge.ask().answer).toBe("waits");
  });

  test("the log tells when that begins and when it ends, and nothing between", async () => {
    const edge = await started(2_500);
    for (let turn = 0; turn < 5; turn += 1) {
      edge.ask();
      await edge.fail();
      await edge.pass(1_000);
    }
    const begun = {
      level: "warn",
      message: "the blocklist is unavailable",
      error: "Error: no answer",
      has: "1",
    };
    expect(edge.log).toEqual([begun]);
    edge.ask();
    await edge.bring(second);
    expect(edge.log).toEqual([begun, { level: "info", message: "the blocklist is available again" }]);
    await edge.pass(2_500);
    edge.ask();
    await edge.bring(second);
    expect(edge.log).toHaveLength(2);
  });
});

describe("a loading that does not end", () => {
  test("is waited for in vain once", async () => {
    const edge = await started(4_500);
    const asking = edge.ask();
    expect(asking.answer).toBe("waits");
    await edge.pass(200);
    expect(asking.answer).toBe(first.list);
    expect(edge.ask().answer).toBe(first.list);
    expect(edge.loads).toBe(2);
  });

  test("is given up after 10 s", async () => {
    const edge = await started(2_500);
    edge.ask();
    await edge.pass(9_999);
    edge.ask();
    expect(edge.loads).toBe(2);
    await edge.pass(1);
    edge.ask();
    expect(edge.loads).toBe(3);
  });

  test("does not overwrite what a later one has brought, if it ends after all", async () => {
    const edge = await started(2_500);
    edge.ask();
    const late = edge.last();
    await edge.pass(10_000);
    edge.ask();
    await edge.bring(third);
    late.resolve(second);
    await settle();
    expect(edge.ask().answer).toBe(third.list);
  });

  test("does not take a later one's place while that is under way", async () => {
    const edge = await started(2_500);
    edge.ask();
    const late = edge.last();
    await edge.pass(10_000);
    const asking = edge.ask();
    late.resolve(second);
    await settle();
    edge.ask();
    expect(edge.loads).toBe(3);
    await edge.bring(third);
    await edge.pass(10);
    expect(asking.answer).toBe(third.list);
  });

  test("tells nobody that it failed, where a later one has brought the list", async () => {
    const edge = await started(2_500);
    edge.ask();
    const late = edge.last();
    await edge.pass(10_000);
    edge.ask();
    await edge.bring(third);
    late.reject(new Error("no answer"));
    await settle();
    expect(edge.log).toEqual([]);
    await edge.pass(4_500);
    expect(edge.ask().answer).toBe("waits");
  });
});

describe("a clock that is set back", () => {
  test("makes the list one of unknown age, which is loaded again", async () => {
    const edge = await started();
    edge.setBack(3_600_000);
    const asking = edge.ask();
    expect(asking.answer).toBe("waits");
    await edge.bring(second);
    await edge.pass(10);
    expect(asking.answer).toBe(second.list);
    expect(edge.loads).toBe(2);
  });

  test("does not put off the next try, be the last one under way or failed", async () => {
    const hanging = isolate();
    hanging.ask();
    hanging.setBack(3_600_000);
    hanging.ask();
    expect(hanging.loads).toBe(2);

    const failed = isolate();
    failed.ask();
    await failed.fail();
    failed.setBack(3_600_000);
    failed.ask();
    expect(failed.loads).toBe(2);
  });
});
