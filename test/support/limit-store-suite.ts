/**
 * The behavior of any store of the limiter, for tests of each Redis driver in each runtime.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BucketAsk, BucketReply, LimitStore } from "../../src/middleware/rate-limit/limit-store.ts";

export interface LimitStoreUnderTest {
  /** Two stores with the same data, as in two isolates. */
  readonly stores: readonly [LimitStore, LimitStore];
  /** Sets a field of the overrides. */
  override(field: string, text: string): Promise<void>;
  /** Writes a bucket's stored text. */
  write(bucket: string, text: string): Promise<void>;
  /** Milliseconds until the bucket expires; negative if it does not exist, or never expires. */
  keptForMs(bucket: string): Promise<number>;
  stop(): Promise<void>;
}

const SLOW = { capacity: 10, refillPerSecond: 0.001 };
/** Most tokens that the refill adds during a test. */
const DRIFT = 0.1;

const askFor = (bucket: string, numbers: Partial<BucketAsk> = {}): BucketAsk => ({
  bucket,
  overrideField: undefined,
  rule: SLOW,
  need: 1,
  want: 0,
  share: 0.25,
  isDryRun: false,
  ...numbers,
});

export const limitStoreTests = (name: string, start: () => Promise<LimitStoreUnderTest>): void => {
  describe(name, () => {
    let under: LimitStoreUnderTest;
    beforeAll(async () => {
      under = await start();
    });
    afterAll(async () => {
      await under?.stop();
    });

    const take = async (...asks: readonly BucketAsk[]): Promise<readonly BucketReply[]> =>
      await under.stores[0].take(asks);
    const takeOne = async (ask: BucketAsk, store = 0): Promise<BucketReply> => {
      const [reply] = (await under.stores[store === 0 ? 0 : 1].take([ask])) ?? [];
      if (reply === undefined) throw new Error("expected a reply");
      return reply;
    };
    const newBucket = (): string => `test:${crypto.randomUUID()}`;
    const expectAbout = (available: number, expected: number): void => {
      expect(available).toBeGreaterThanOrEqual(expected - 1e-6);
      expect(available).toBeLessThan(expected + DRIFT);
    };

    test("a new bucket is full", async () => {
      const reply = await takeOne(askFor(newBucket()));
      expect(reply).toMatchObject({ granted: 1, rule: SLOW, waitMs: 0 });
      expectAbout(reply.available, 9);
    });

    test("tokens taken through one store are missing in the other", async () => {
      const bucket = newBucket();
      await takeOne(askFor(bucket, { need: 4 }));
      expectAbout((await takeOne(askFor(bucket, { need: 3 }), 1)).available, 3);
    });

    test("a bucket with too few tokens grants none, and returns the wait", async () => {
      const bucket = newBucket();
      await takeOne(askFor(bucket, { need: 8 }));
      const reply = await takeOne(askFor(bucket, { need: 3 }));
      expect(reply.granted).toBe(0);
      expectAbout(reply.available, 2);
      // At a thousandth of a token per second the third one takes a thousand seconds.
      expect(reply.waitMs).toBeGreaterThan(900_000);
      expect(reply.waitMs).toBeLessThanOrEqual(1_000_000);
      expect(Number.isInteger(reply.waitMs)).toBe(true);
    });

    test("fractions of a token are refilled by Redis's clock", async () => {
      const bucket = newBucket();
      // Slow enough that a busy machine does not refill it between two calls.
      const rule = { capacity: 100, refillPerSecond: 10 };
      await takeOne(askFor(bucket, { rule, need: 100 }));
      const { waitMs } = await takeOne(askFor(bucket, { rule, need: 10.5 }));
      expect(waitMs).toBeGreaterThan(0);
      expect(waitMs).toBeLessThanOrEqual(1_050);
      await new Promise((resolve) => setTimeout(resolve, waitMs + 1));
      expect((await takeOne(askFor(bucket, { rule, need: 10.5 }))).granted).toBe(10.5);
    });

    test("more than the need is granted up to the share of the available tokens, and less from an emptier bucket", async () => {
      const bucket = newBucket();
      const granted = async (numbers: Partial<BucketAsk>): Promise<number> =>
        (await takeOne(askFor(bucket, { rule, ...numbers }))).granted;
      const rule = { capacity: 100, refillPerSecond: 0.001 };
      expect(await granted({ need: 1, want: 10 })).toBe(10);
      // 90 are left: 90 × ¼ × 0.9^¾.
      expect(await granted({ need: 1, want: 1_000 })).toBe(20);
      // 70 × ½ × √0.7.
      expect(await granted({ need: 0, want: 1_000, share: 0.5 })).toBe(29);
      expect(await granted({ need: 30, want: 1_000 })).toBe(30);
      // Eleven are left: 11 × ¼ × 0.11^¾ is less than one.
      expect(await granted({ need: 1, want: 1_000 })).toBe(1);
      expect(await granted({ need: 0, want: 1_000 })).toBe(0);
      expect(await granted({ need: 0, want: 1_000, share: 1 })).toBe(10);
      expect(await granted({ need: 0, want: 1_000, share: 1 })).toBe(0);
    });

    test("all of several buckets grant tokens, or none does", async () => {
      const [full, empty] = [newBucket(), newBucket()];
      await takeOne(askFor(empty, { need: 10 }));
      const replies = await take(askFor(full, { need: 2, want: 5 }), askFor(empty));
      expect(replies.map(({ granted }) => granted)).toEqual([0, 0]);
      expect(replies.map(({ waitMs }) => waitMs > 0)).toEqual([false, true]);
      const [first, second] = await take(askFor(full, { need: 2 }), askFor(newBucket(), { need: 3 }));
      expect([first?.granted, second?.granted]).toEqual([2, 3]);
      expectAbout(first?.available ?? 0, 8);
    });

    test("a dry run rejects nothing, and grants only tokens that the bucket has", async () => {
      const [tried, kept] = [newBucket(), newBucket()];
      await takeOne(askFor(tried, { need: 10 }));
      const replies = await take(askFor(tried, { isDryRun: true }), askFor(kept));
      expect(replies.map(({ granted }) => granted)).toEqual([0, 1]);
      expect(replies[0]?.waitMs).toBeGreaterThan(0);
    });

    describe("an override", () => {
      test("is the rule for its field only", async () => {
        const field = `limit:${crypto.randomUUID()}`;
        await under.override(field, "2.5 0.004");
        const replies = await take(
          askFor(newBucket(), { overrideField: field }),
          askFor(newBucket(), { overrideField: `${field}x` }),
          askFor(newBucket()),
        );
        expect(replies.map(({ rule }) => rule)).toEqual([
          { capacity: 2.5, refillPerSecond: 0.004 },
          SLOW,
          SLOW,
        ]);
        expectAbout(replies[0]?.available ?? 0, 1.5);
      });

      test("can have any principal in its field", async () => {
        const field = `limit:grüße 🌊 "quoted" ${crypto.randomUUID()}`;
        await under.override(field, "7 1");
        const { rule } = await takeOne(askFor(newBucket(), { overrideField: field }));
        expect(rule).toEqual({ capacity: 7, refillPerSecond: 1 });
      });

      test("that lowers the capacity caps the level", async () => {
        const [bucket, field] = [newBucket(), `limit:${crypto.randomUUID()}`];
        await takeOne(askFor(bucket, { need: 9, overrideField: field }));
        await under.override(field, "2 0.001");
        const reply = await takeOne(askFor(bucket, { overrideField: field }));
        expect(reply.granted).toBe(0);
        expect(reply.waitMs).toBeLessThanOrEqual(1_000_000);
      });

      test.each([
        "",
        "nonsense",
        "1",
        "0 1",
        "1 0",
        "-1 1",
        "nan nan",
        "1 2 3",
      ])("with an invalid value is ignored: %j", async (text) => {
        const field = `limit:${crypto.randomUUID()}`;
        await under.override(field, text);
        expect((await takeOne(askFor(newBucket(), { overrideField: field }))).rule).toEqual(SLOW);
      });
    });

    describe("a stored bucket", () => {
      test("in an unknown format is full", async () => {
        for (const text of ["", "nonsense", "1 2 3", "x y"]) {
          const bucket = newBucket();
          await under.write(bucket, text);
          expectAbout((await takeOne(askFor(bucket))).available, 9);
        }
      });

      test("with a time in the future refills from now on", async () => {
        const bucket = newBucket();
        const rule = { capacity: 10, refillPerSecond: 100 };
        await under.write(bucket, `10 ${(Date.now() + 3_600_000) * 1_000}`);
        expect((await takeOne(askFor(bucket, { rule }))).granted).toBe(0);
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect((await takeOne(askFor(bucket, { rule }))).granted).toBe(1);
      });

      test("expires when it is full", async () => {
        const bucket = newBucket();
        await takeOne(askFor(bucket, { rule: { capacity: 100, refillPerSecond: 10 }, need: 50 }));
        const keptForMs = await under.keptForMs(bucket);
        expect(keptForMs).toBeGreaterThan(5_000);
        expect(keptForMs).toBeLessThanOrEqual(6_000);
      });

      test("is not written by a rejected call", async () => {
        const bucket = newBucket();
        await takeOne(askFor(bucket, { need: 11 }));
        expect(await under.keptForMs(bucket)).toBeLessThan(0);
      });
    });

    test("concurrent calls get no more tokens than the bucket has", async () => {
      const bucket = newBucket();
      const replies = await Promise.all(
        Array.from({ length: 60 }, (_, index) => takeOne(askFor(bucket, { need: 1, want: 3 }), index % 2)),
      );
      const granted = replies.reduce((sum, reply) => sum + reply.granted, 0);
      expect(granted).toBe(10);
    });

    test("large numbers stay exact", async () => {
      const bucket = newBucket();
      const rule = { capacity: 1_000_000_000, refillPerSecond: 0.04 };
      expect((await takeOne(askFor(bucket, { rule, need: 999_999_999 }))).granted).toBe(999_999_999);
      expectAbout((await takeOne(askFor(bucket, { rule, need: 1 }))).available, 0);
    });
  });
};
