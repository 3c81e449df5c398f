/** The delay of waiting requests if the request that fetches the response for them dies. */

import { sampleProductId } from "#api/origin/sample-data.ts";
import { contract } from "../../../src/contract/contract.ts";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { sleep } from "../../../src/lib/async.ts";
import { askEdge, startEdge } from "../../support/ask-edge.ts";
import { withClient } from "../support/services.ts";
import type { CacheSystem } from "./system.ts";

export interface DeathCell {
  readonly title: string;
  readonly answerMs: number;
}

const FOLLOWERS = 50;
const POLL_MS = 5;
const POLLS = 1_000;

const until = async (condition: string, holds: () => Promise<boolean>): Promise<void> => {
  for (let poll = 0; poll < POLLS; poll += 1) {
    if (await holds()) return;
    await sleep(POLL_MS);
  }
  throw new Error(`never: ${condition}`);
};

/** An origin is killed while its read hangs, and requests at another origin wait for it. */
const atOrigins = (system: CacheSystem, product: number): Promise<number> =>
  withClient(system.databaseUrl, async (client) => {
    const waiting = async (): Promise<number> => {
      const [row] = await system.pool.query<{ count: number }>(
        "SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'breakwater-origin'",
      );
      return row?.count ?? 0;
    };
    await client.query("BEGIN");
    await client.query("LOCK TABLE kept_products IN ACCESS EXCLUSIVE MODE");
    const cut = system.readAt(0, product).catch(() => 0);
    await until("the leader waits", async () => (await waiting()) >= 1);
    const followers = Promise.all(Array.from({ length: FOLLOWERS }, () => system.readAt(1, product)));
    await system.origins[0]?.kill();
    const beganMs = performance.now();
    await client.query("COMMIT");
    const statuses = await followers;
    if (statuses.some((status) => status !== 200)) throw new Error(`a follower got ${statuses}`);
    await cut;
    return performance.now() - beganMs;
  });

/** The request that fetches for all of an isolate dies: its fetch never settles. */
const atEdge = async (system: CacheSystem, product: number): Promise<number> => {
  let fetches = 0;
  const edge = startEdge({
    environment: { ORIGINS: system.origins[1]?.url ?? "", SIGNING_KEYS: system.signingKeys },
    routes: edgeRoutes(contract),
    fetch: (input, init) => {
      fetches += 1;
      return fetches === 1 ? new Promise<never>(() => undefined) : fetch(input, init);
    },
    now: Date.now,
    random: Math.random,
    log: () => undefined,
  });
  const read = () => askEdge(edge, `http://edge.test/v1/products/${sampleProductId(product)}`);
  void read();
  await until("the leader fetches", async () => fetches === 1);
  const beganMs = performance.now();
  const answers = await Promise.all(Array.from({ length: FOLLOWERS }, read));
  if (answers.some(({ status }) => status !== 200)) throw new Error("a follower got no response");
  return performance.now() - beganMs;
};

/** @param products that are not cached */
export const measureLeaderDeath = async (
  system: CacheSystem,
  [first, second]: readonly [number, number],
): Promise<DeathCell[]> => [
  { title: "at an origin: 50 followers at another one", answerMs: await atOrigins(system, first) },
  { title: "at the edge: 50 followers in the isolate", answerMs: await atEdge(system, second) },
];
