/** Redis hangs under an origin: nothing fails, and once its breaker is open nothing waits for it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type Backing, metric, placeOrder, send, startBacking } from "../support/backing.ts";
import { type Door, startDoor } from "../support/door.ts";
import { exitOf, type OriginProcess, runOrigin } from "../support/origin-process.ts";

const PRODUCT = sampleProductId(6);

let backing: Backing;
let door: Door;
let origin: OriginProcess;
beforeAll(async () => {
  backing = await startBacking();
  const url = backing.environment["REDIS_URL"] ?? "";
  door = await startDoor(url);
  const { protocol } = new URL(url);
  origin = runOrigin({
    environment: { ...backing.environment, REDIS_URL: `${protocol}//127.0.0.1:${door.port}` },
  });
  await origin.said("ready");
  await backing.addProducts(1_000);
});
afterAll(async () => {
  await origin?.kill();
  await door?.stop();
  await backing?.stop();
});

/** The states that the breaker has entered so far. */
const entered = (): unknown[] =>
  origin
    .all("circuit breaker")
    .filter(({ dependency }) => dependency === "redis")
    .map(({ to }) => to);

test("writes go on while Redis hangs, its breaker opens, and closes when Redis answers again", async () => {
  const { api, admin } = await origin.addresses();
  const ofRedis = async (name: string): Promise<string[]> => {
    const { body } = await send(`${admin}/metrics`);
    return metric(body, name).series.filter((line) => line.includes('dependency="redis"'));
  };
  const states = async (): Promise<string[]> =>
    (await ofRedis("circuit_breaker_state")).filter((line) => line.endsWith(" 1"));
  expect((await placeOrder(api, PRODUCT)).status).toBe(201);
  expect(await states()).toEqual(['circuit_breaker_state{dependency="redis",state="closed"} 1']);

  door.shut();
  const statuses: number[] = [];
  while (!entered().includes("open")) statuses.push((await placeOrder(api, PRODUCT)).status);
  for (let turn = 0; turn < 5; turn += 1) statuses.push((await placeOrder(api, PRODUCT)).status);
  expect(new Set(statuses)).toEqual(new Set([201]));

  await door.open();
  // Whoever asks for readiness asks Redis, too.
  await expect
    .poll(async () => [(await send(`${admin}/ready`)).status, entered().at(-1)], { timeout: 30_000 })
    .toEqual([200, "closed"]);
  const changes = await ofRedis("circuit_breaker_state_changes_total");
  expect(changes.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0)).toBe(entered().length);
  expect(entered().length).toBeGreaterThanOrEqual(3);

  origin.signal("SIGTERM");
  expect(await exitOf(origin)).toEqual({ code: 0, signal: null });
});
