/** PostgreSQL that neither responds nor closes its connections. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";
import { sendSigned } from "../support/signed-request.ts";
import { type System, startSystem } from "../support/system.ts";

let postgres: OwnPostgres;
let system: System;
let key: string;

beforeAll(async () => {
  postgres = await startOwnPostgres();
  system = await startSystem({ databaseServer: postgres.url });
  key = (await system.createKey("alice")).key;
});
afterEach(() => postgres.thaw());
afterAll(async () => {
  postgres?.thaw();
  await system?.stop();
  await postgres?.remove();
});

const path = `/v1/products/${sampleProductId(1)}`;
const read = (): Promise<Response> => system.call(path);
const change = async (stock: number): Promise<number> => {
  const headers = { "if-match": (await read()).headers.get("etag") ?? "" };
  return (await system.call(path, { method: "PATCH", key, json: { stock }, headers })).status;
};

test.each([
  ["the edge", read],
  ["an origin", () => sendSigned(system, path)],
])("a product that was just changed is served by %s as it was before, marked, in two seconds", async (_, readHere) => {
  await (await readHere()).text();
  await expect.poll(() => change(40), { timeout: 10_000 }).toBe(200);
  await postgres.freeze();
  const startedMs = Date.now();
  const response = await readHere();
  // The deadline is ten seconds.
  expect(Date.now() - startedMs).toBeLessThan(5_000);
  expect(response.status).toBe(200);
  expect(response.headers.get("cache-status")).toContain("detail=stale-if-error");
});
