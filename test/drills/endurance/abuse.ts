/** Clients that cause security events for as long as a soak lasts: wrong keys, and a blocked address. */
import { randomFillSync } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { createKey } from "../../../src/middleware/auth/api-keys.ts";
import { parseNetwork } from "../../../src/middleware/blocklist/network.ts";
import { blocklistPublication, setBlock } from "../../../src/origin/admin/blocklist/store.ts";
import { sendAs } from "../clients.ts";
import { type Arrivals, awaitEvents, createCausedEvents } from "../siem.ts";
import type { World } from "../world.ts";

export interface Abuse {
  /** Call it once. */
  stop(): Promise<void>;
  /** After the end: waits until every event has reached the SIEM, at most for a delivery's longest pause. */
  awaitEvents(): Promise<Arrivals>;
}

const PAUSE_MS = 500;
/** Enough that none has as many failures as lead to a block. */
const STRANGERS = 200;
const BLOCKED = "198.51.100.250";

export const startAbuse = async (world: World): Promise<Abuse> => {
  const { edgeUrl, pool, publish } = world;
  const network = parseNetwork(BLOCKED);
  if (network === undefined) throw new Error(`${BLOCKED} is not an address`);
  await setBlock(pool, { network, reason: "a soak", forS: null });
  await publish(blocklistPublication);
  const { key } = createKey((bytes) => randomFillSync(bytes));
  const caused = createCausedEvents("the soak");
  const stopping = new AbortController();
  let turn = 0;

  const send = async (address: string, path: string): Promise<void> => {
    const { status } = await sendAs(edgeUrl, { key, address }, path);
    caused.count(address, status);
  };
  const act = async (): Promise<void> => {
    turn += 1;
    const address = `198.51.100.${1 + (turn % STRANGERS)}`;
    await Promise.all([send(address, "/v1/orders?limit=1"), send(BLOCKED, "/v1/products?limit=1")]);
  };
  const repeat = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await act();
      await pause(PAUSE_MS);
    }
  };
  const repeating = repeat();
  return {
    stop: async () => {
      stopping.abort();
      await repeating;
    },
    awaitEvents: () => awaitEvents(world, caused.list()),
  };
};
