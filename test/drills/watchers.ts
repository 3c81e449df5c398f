/** Promises with a time limit, watched through a fault: a revoked key, a blocked address, a limit. */
import { setTimeout as pause } from "node:timers/promises";
import { perPrincipal } from "#api/contract/limits.ts";
import { parseNetwork } from "../../src/middleware/blocklist/network.ts";
import { blocklistPublication, setBlock } from "../../src/origin/admin/blocklist/store.ts";
import { keysPublication, revokeKey } from "../../src/origin/admin/keys.ts";
import { limitsPublication, setOverride } from "../../src/origin/admin/limits.ts";
import { sendAs } from "./clients.ts";
import type { World } from "./world.ts";

/** A revocation and a block hold everywhere after this time, milliseconds. */
const HOLDS_MS = 10_000;
const LOOK_MS = 100;
const LIMIT = { capacity: 20, refillPerSecond: 5 };

export interface Watchers {
  /** Revokes the key and blocks the address that are watched. Call it before the fault. */
  revokeAndBlock(): Promise<void>;
  /** Ends the watch. @returns what did not hold, a line each */
  stop(): Promise<string[]>;
}

/** Of any window of time, the most that were admitted beyond the limit's bound. */
const excess = (admittedMs: readonly number[]): number => {
  let most = 0;
  for (const [index, fromMs] of admittedMs.entries())
    for (const [further, toMs] of admittedMs.slice(index).entries()) {
      const bound = LIMIT.capacity + (LIMIT.refillPerSecond * (toMs - fromMs)) / 1_000;
      most = Math.max(most, further + 1 - bound);
    }
  return most;
};

export const startWatchers = async (
  { edgeUrl, pool, createKey, publish }: World,
  n: number,
): Promise<Watchers> => {
  const [revoked, limited] = [await createKey(`revoked-${n}`), await createKey(`limited-${n}`)];
  const blocked = await createKey(`blocked-${n}`);
  const blockedAddress = `198.51.100.${n + 1}`;
  await setOverride(pool, { limitName: perPrincipal.name, principal: `limited-${n}`, ...LIMIT });
  await publish(limitsPublication);
  /** When the revocation and the block were published. */
  let sinceMs = Number.POSITIVE_INFINITY;
  let isOver = false;
  const broken: string[] = [];

  const watch = async (what: string, client: { key: string; address: string }): Promise<void> => {
    while (!isOver) {
      const startMs = performance.now();
      const { status } = await sendAs(edgeUrl, client, "/v1/orders?limit=1");
      if (status === 200 && startMs > sinceMs + HOLDS_MS)
        broken.push(`${what} was served ${Math.round(startMs - sinceMs)} ms later`);
      await pause(LOOK_MS);
    }
  };
  const admittedMs: number[] = [];
  const useUp = async (): Promise<void> => {
    while (!isOver) {
      const client = { key: limited.key, address: "192.0.2.200" };
      const { status } = await sendAs(edgeUrl, client, "/v1/orders?limit=1");
      if (status === 200) admittedMs.push(performance.now());
      else await pause(LOOK_MS);
    }
  };
  const watching = [
    watch("a revoked key", { key: revoked.key, address: "192.0.2.201" }),
    watch("a blocked address", { key: blocked.key, address: blockedAddress }),
    useUp(),
  ];
  return {
    revokeAndBlock: async () => {
      const network = parseNetwork(blockedAddress);
      if (network === undefined) throw new Error(`${blockedAddress} is not an address`);
      await revokeKey(pool, revoked.id);
      await publish(keysPublication);
      await setBlock(pool, { network, reason: "a drill", forS: null });
      await publish(blocklistPublication);
      sinceMs = performance.now();
    },
    stop: async () => {
      isOver = true;
      await Promise.all(watching);
      const over = excess(admittedMs);
      // Without Redis each isolate limits by itself, from a full bucket: one more burst.
      if (over > LIMIT.capacity) broken.push(`a limit admitted ${Math.ceil(over)} beyond its bound`);
      return broken;
    },
  };
};
