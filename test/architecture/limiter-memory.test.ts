/** What an isolate remembers of its clients. */
import { expect, test } from "vitest";
import type { LimitedClient } from "../../src/middleware/rate-limit/limit-key.ts";
import { limitOf, Scene } from "../middleware/rate-limit/support/scene.ts";
import { usedBytes } from "../support/heap.ts";
import { isLong } from "../support/runtime.ts";

/** More than any one isolate is to hold, bytes: a Worker has 128 MB for everything. */
const MOST_BYTES = 40_000_000;

const clientOf = (index: number): LimitedClient => ({
  address: `2001:db8:${(index >> 16).toString(16)}:${(index & 0xffff).toString(16)}::1`,
  principal: `principal-${index}`,
});

/** Each with two limits. With TEST_LONG=1 they have a million keys. */
const CLIENTS = isLong ? 500_000 : 60_000;

test("however many keys there are, an isolate remembers as many as it may, and holds no more memory", () => {
  const scene = new Scene();
  const limits = [limitOf({ onStoreFailure: "local" }), limitOf({ name: "account", per: "principal" })];
  // What is refused is not written to the store, which is not what is measured.
  const tooDear = limits.map((limit) => ({ ...limit, cost: 11 }));
  const before = usedBytes();
  for (let index = 0; index < CLIENTS; index += 1) {
    // Half of them while the store is away: then each has a bucket of its own beside.
    scene.isStoreThere = index % 2 === 0;
    scene.request(tooDear, clientOf(index));
  }
  expect(scene.limiter.size).toBeLessThanOrEqual(scene.limiter.settings.maxKeys);
  expect(usedBytes() - before).toBeLessThan(MOST_BYTES);
}, 60_000);
