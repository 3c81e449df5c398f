/** Past the time in which a product is served stale while a newer one is fetched: half a minute has to pass for it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../src/local/free-port.ts";
import { erasePostgres, type LocalPostgres, startPostgres } from "../../src/local/postgres.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { sendSigned } from "../support/signed-request.ts";
import { type System, startSystem } from "../support/system.ts";

let folder: string;
let port: number;
let postgres: LocalPostgres;
let system: System;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "breakwater-stale-"));
  port = await freePort();
  postgres = await startPostgres({ folder, port });
  system = await startSystem({ databaseServer: postgres.url });
});
afterAll(async () => {
  await system?.stop();
  await postgres?.stop();
  await erasePostgres(folder);
  await rm(folder, { recursive: true, force: true });
});

const path = `/v1/products/${sampleProductId(1)}`;
/** Five seconds fresh, thirty more stale while a newer one is fetched. */
const PAST_REVALIDATION_MS = 35_500;

test("a product is served for ten minutes without database and origin, says so, and is new within 5 s of their return", async () => {
  expect((await system.call(path)).status).toBe(200);
  await postgres.stop();
  await pause(PAST_REVALIDATION_MS);

  const atOrigin = await sendSigned(system, path, { timeoutMs: 10_000 });
  expect(atOrigin.status).toBe(200);
  expect(atOrigin.headers.get("cache-status")).toMatch(/^breakwater-origin; .*detail=stale-if-error$/);
  expect(Number(atOrigin.headers.get("age"))).toBeGreaterThanOrEqual(35);

  const throughEdge = await system.call(path);
  expect(throughEdge.status).toBe(200);
  expect(throughEdge.headers.get("cache-status")).toContain("stale-if-error");

  postgres = await startPostgres({ folder, port });
  const told = async () => (await system.call(path)).headers.get("cache-status") ?? "";
  await expect.poll(told, { timeout: 5_000 }).not.toContain("stale-if-error");

  await system.origins[0]?.kill();
  await pause(PAST_REVALIDATION_MS);
  const alone = await system.call(path);
  expect(alone.status).toBe(200);
  expect(alone.headers.get("cache-status")).toMatch(
    /breakwater-edge; fwd=stale; fwd-status=503; ttl=-3\d; detail=stale-if-error$/,
  );
});
