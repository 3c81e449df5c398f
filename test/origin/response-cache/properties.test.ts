/** Properties that hold whatever is read, written and lost, in any order. */
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

/** One of some steps, drawn by its weight. */
const weighted = (weight: number, ...steps: readonly Step[]) => ({
  weight,
  arbitrary: fc.constantFrom(...steps),
});
const waitMs = fc.oneof(fc.nat(10), fc.nat(100), fc.nat(100), fc.nat(2_000), fc.nat(20_000));
const step: fc.Arbitrary<Step> = fc.oneof(
  weighted(8, { do: "read", at: 0 }, { do: "read", at: 1 }),
  weighted(3, { do: "write", at: 0 }, { do: "write", at: 1 }),
  { weight: 6, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: waitMs }) },
  weighted(1, { do: "redis", weather: "away" }, { do: "redis", weather: "hung" }),
  weighted(2, { do: "redis", weather: "fair" }),
  weighted(1, { do: "database", weather: "fair" }, { do: "database", weather: "away" }),
  weighted(2, { do: "lose" }, { do: "copy" }, { do: "restore" }, { do: "restore" }),
);

/** The greatest age of a response. */
const LONGEST_MS = WINDOWS.freshMs + WINDOWS.staleIfErrorMs;

test("an origin serves nothing older than its own writes, and nothing older than the policy allows", async () => {
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
        /** The changes that each origin has acknowledged. */
        const written: [number, number] = [0, 0];
        const pending: Promise<unknown>[] = [];
        let reads = 0;
        // After a failover, a replica may lag behind.
        let copy = redis.copy();

        const read = async (which: 0 | 1): Promise<void> => {
          const atLeast = written[which];
          const result = await origins[which].read();
          if (result.status !== 200) return;
          reads += 1;
          const changes = changesIn(result);
          // The last resort is older, and says so.
          if (result.outcome !== "stale_on_error") expect(changes).toBeGreaterThanOrEqual(atLeast);
          // It was correct when it was made: the next change is no longer ago than the response's age.
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
          else if (each.do === "lose") redis.restore(new Map());
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
