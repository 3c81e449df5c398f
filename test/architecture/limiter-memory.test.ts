/** The memory that the limiter of an isolate uses. */
import { expect, test } from "vitest";
import type { LimitedClient } from "../../src/middleware/rate-limit/limit-store.ts";
import { limitOf, Scene } from "../middleware/rate-limit/support/scene.ts";
import { usedBytes } from "../support/heap.ts";

/** Bytes; a Worker has 128 MB in all. */
const MOST_BYTES = 40_000_000;

const clientOf = (index: number): LimitedClient => ({
  network: `2001:db8:${(index >> 16).toString(16)}:${(index & 0xffff).toString(16)}::1`,
  principal: `principal-${index}`,
});

/** Each has two limits: a million keys. */
const CLIENTS = 500_000;

test("memory is bounded for any number of clients", () => {
  const scene = new Scene();
  const limits = [limitOf({ onStoreFailure: "local" }), limitOf({ name: "account", per: "principal" })];
  // Rejected calls do not grow the in-memory store, which is not measured.
  const tooExpensive = limits.map((limit) => ({ ...limit, cost: 11 }));
  const before = usedBytes();
  for (let index = 0; index < CLIENTS; index += 1) {
    // Half of them while the store is down, so that they also have a local bucket.
    scene.isStoreThere = index % 2 === 0;
    scene.request(tooExpensive, clientOf(index));
  }
  expect(usedBytes() - before).toBeLessThan(MOST_BYTES);
}, 300_000);
