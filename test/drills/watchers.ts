/** Promises with a time limit, watched through a fault: a revoked key, a blocked address, a limit, a changed product. */
import { setTimeout as pause } from "node:timers/promises";
import { perPrincipal } from "#api/contract/limits.ts";
import { parseNetwork } from "../../src/middleware/blocklist/network.ts";
import { blocklistPublication, setBlock } from "../../src/origin/admin/blocklist/store.ts";
import { keysPublication, revokeKey } from "../../src/origin/admin/keys.ts";
import { limitsPublication, setOverride } from "../../src/origin/admin/limits.ts";
import { requestAs, sendAs } from "./clients.ts";
import { type Caused, createCausedEvents } from "./siem.ts";
import { MAX_STALENESS_MS, watchStaleness } from "./staleness.ts";
import { MAX_RECOVERY_MS, type Turns } from "./verdict.ts";
import type { World } from "./world.ts";

/** A revocation and a block hold everywhere after this time, milliseconds. */
const HOLDS_MS = 10_000;
const LOOK_MS = 100;
const LIMIT = { capacity: 20, refillPerSecond: 5 };
/** How long an isolate may use tokens that it has taken, milliseconds: the default of RATE_LIMIT_LEASE_MS. */
const LEASE_MS = 2_000;

export interface Watched {
  /** What did not hold, a line each. */
  readonly broken: readonly string[];
  /** The greatest staleness of a read through the whole drill, milliseconds. */
  readonly stalestMs: number;
  /** Security events of the watchers' own clients. */
  readonly caused: readonly Caused[];
}

export interface Watchers {
  /** Revokes the key and blocks the address that are watched. Call it before the fault. */
  revokeAndBlock(): Promise<void>;
  /** Ends the watch. */
  stop(): Promise<void>;
  /** Call it after `stop`. */
  judge(turns: Turns): Watched;
}

/** Of any window of time, the most that were admitted beyond the limit's bound: docs/limits.md. */
const excess = (admittedMs: readonly number[]): number => {
  let most = 0;
  for (const [index, fromMs] of admittedMs.entries())
    for (const [further, toMs] of admittedMs.slice(index).entries()) {
      const bound = LIMIT.capacity + (LIMIT.refillPerSecond * (toMs - fromMs + LEASE_MS)) / 1_000;
      most = Math.max(most, further + 1 - bound);
    }
  return most;
};

/** @param n the number of the drill, up to 250: each has clients of its own */
export const startWatchers = async (world: World, fault: string, n: number): Promise<Watchers> => {
  const { edgeUrl, pool, createKey, publish } = world;
  const clientOf = async (kind: string, address: string) => {
    const { id, key } = await createKey(`${kind}-${n}`);
    return { id, key, address };
  };
  const revoked = await clientOf("revoked", `203.0.113.${n + 1}`);
  const blocked = await clientOf("blocked", `198.51.100.${n + 1}`);
  const limited = await clientOf("limited", `198.18.0.${n + 1}`);
  const changing = await clientOf("changing", `198.18.1.${n + 1}`);
  await setOverride(pool, { limitName: perPrincipal.name, principal: `limited-${n}`, ...LIMIT });
  await publish(limitsPublication);
  const stale = await watchStaleness(world, changing);
  /** When the revocation and the block were published. */
  let sinceMs = Number.POSITIVE_INFINITY;
  let isOver = false;
  const broken: string[] = [];
  const caused = createCausedEvents(fault);

  const watch = async (what: string, client: { key: string; address: string }): Promise<void> => {
    while (!isOver) {
      const startMs = performance.now();
      const { status } = await sendAs(edgeUrl, client, "/v1/orders?limit=1");
      caused.count(client.address, status);
      if (status === 200 && startMs > sinceMs + HOLDS_MS)
        broken.push(`${what} was served ${Math.round(startMs - sinceMs)} ms later`);
      await pause(LOOK_MS);
    }
  };
  const admittedMs: number[] = [];
  /** When another rule was last in force: until origins have published the override again, the contract's applies. */
  let otherRuleMs = Number.NEGATIVE_INFINITY;
  const useUp = async (): Promise<void> => {
    while (!isOver) {
      const response = await requestAs(edgeUrl, limited, "/v1/orders?limit=1").catch(() => undefined);
      await response?.arrayBuffer().catch(() => undefined);
      caused.count(limited.address, response?.status ?? 0);
      const policy = response?.headers.get("ratelimit-policy");
      const nowMs = performance.now();
      if (policy && !policy.includes(`;q=${LIMIT.capacity};`)) otherRuleMs = nowMs;
      if (response?.status !== 200) await pause(LOOK_MS);
      // An isolate may still have tokens that it took by the other rule.
      else if (nowMs > otherRuleMs + LEASE_MS) admittedMs.push(nowMs);
    }
  };
  const watching = [watch("a revoked key", revoked), watch("a blocked address", blocked), useUp()];
  return {
    revokeAndBlock: async () => {
      const network = parseNetwork(blocked.address);
      if (network === undefined) throw new Error(`${blocked.address} is not an address`);
      await revokeKey(pool, revoked.id);
      await publish(keysPublication);
      await setBlock(pool, { network, reason: "a drill", forS: null });
      await publish(blocklistPublication);
      sinceMs = performance.now();
    },
    stop: async () => {
      isOver = true;
      await Promise.all([...watching, stale.stop()]);
    },
    judge: ({ startMs, injectMs, undoneMs, endMs }) => {
      const over = excess(admittedMs);
      // A Redis without its data has full buckets: one more burst.
      if (over > LIMIT.capacity) broken.push(`a limit admitted ${Math.ceil(over)} beyond its bound`);
      const backMs = undoneMs + MAX_RECOVERY_MS;
      if (otherRuleMs > backMs) broken.push("a limit's override was not in force again after 10 s");
      const stalestMs = Math.max(stale.greatest(startMs, injectMs), stale.greatest(backMs, endMs));
      if (stalestMs > MAX_STALENESS_MS)
        broken.push(`a read was ${Math.round(stalestMs)} ms older than a change, without a fault`);
      return {
        broken,
        stalestMs: stale.greatest(startMs, endMs),
        caused: caused.list(),
      };
    },
  };
};
