/** What holds of the cache whatever is read, written and lost, in whichever order. */
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createMemoryRedis, type Weather } from "./support/memory-redis.ts";
import { changesIn, createDatabase, createShopOrigin, WINDOWS } from "./support/shop.ts";

beforeEach(() => void vi.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => void vi.useRealTimers());

type Step =
  | { readonly do: "read" | "write"; readonly at: 0 | 1 }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "redis"; readonly weather: Weather }
  | { readonly do: "database"; readonly weather: "fair" | "away" }
  | { readonly do: "lose" | "copy" | "restore" };

const at = fc.constantFrom(0 as const, 1 as const);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("read" as const), at }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("write" as const), at }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.oneof(fc.nat(10), fc.nat(100), fc.nat(100), fc.nat(2_000), fc.nat(20_000)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("redis" as const),
      weather: fc.constantFrom<Weather>("fair", "fair", "away", "hung"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("database" as const),
      weather: fc.constantFrom("fair" as const, "away" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("lose" as const, "copy" as const, "restore" as const, "restore" as const),
    }),
  },
);

/** The longest that an answer may be used, and what a read may take. */
const LONGEST_MS = WINDOWS.freshMs + WINDOWS.staleIfErrorMs;

test("an origin never serves what is older than its own writes, and nobody what is older than the policy says", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 80 }),
      fc.float({ min: 0, max: Math.fround(0.999), noNaN: true }),
      async (steps, random) => {
        const database = createDatabase();
        const redis = createMemoryRedis();
        const origins = [
          createShopOrigin(database, redis, () => random),
          createShopOrigin(database, redis, () => random),
        ] as const;
        /** What each origin's last answered write has made of the product. */
        const written: [number, number] = [0, 0];
        const pending: Promise<unknown>[] = [];
        let reads = 0;
        // A Redis that fails over to a replica may know less than it did.
        let copy = redis.copy();

        const read = async (which: 0 | 1): Promise<void> => {
          const atLeast = written[which];
          const result = await origins[which].read();
          if (result.status !== 200) return;
          reads += 1;
          const changes = changesIn(result);
          // But where there is nothing else, which is said.
          if (result.outcome !== "stale_on_error") expect(changes).toBeGreaterThanOrEqual(atLeast);
          // It was made when it was right: the next change is not longer ago than the answer's age.
          const outdatedAtMs = database.changedAtMs[changes + 1] ?? Number.POSITIVE_INFINITY;
          expect(Date.now() - outdatedAtMs).toBeLessThanOrEqual((result.ageS ?? 10) * 1_000);
          expect((result.ageS ?? 0) * 1_000).toBeLessThanOrEqual(LONGEST_MS + 1_000);
        };
        const write = async (which: 0 | 1): Promise<void> => {
          await origins[which].write();
          written[which] = Math.max(written[which], database.changes);
        };

        for (const each of steps) {
          if (each.do === "wait") await vi.advanceTimersByTimeAsync(each.ms);
          else if (each.do === "read") pending.push(read(each.at));
          else if (each.do === "write" && database.weather === "fair") pending.push(write(each.at));
          else if (each.do === "redis") redis.weather = each.weather;
          else if (each.do === "database") database.weather = each.weather;
          else if (each.do === "lose") redis.lose();
          else if (each.do === "copy") copy = redis.copy();
          else if (each.do === "restore") redis.restore(copy);
        }
        await vi.advanceTimersByTimeAsync(30_000);
        await Promise.all(pending);
        if (steps.some((each) => each.do === "read") && steps.every((each) => each.do !== "database"))
          expect(reads).toBeGreaterThan(0);
      },
    ),
    { numRuns: 250 },
  );
});
