/** The signing key between the tiers is rotated under load: added, made the first, removed, one deployment each. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import type { LocalOrigin } from "../../src/local/origin.ts";
import { call, type System, startSystem } from "../support/system.ts";

const newKey = (id: string): string => `${id}:${randomBytes(32).toString("base64")}`;
const [before, after] = [newKey("before"), newKey("after")];

let system: System;
let key: string;
/** An origin of each deployment. */
let old: LocalOrigin;
let both: LocalOrigin;
let next: LocalOrigin;

beforeAll(async () => {
  const environment = { SIGNING_KEYS: before };
  system = await startSystem({ originEnvironment: environment, edgeEnvironment: environment });
  const [first] = system.origins;
  if (first === undefined) throw new Error("there is no origin");
  old = first;
  [both, next] = await Promise.all([
    system.startOrigin({ SIGNING_KEYS: `${before},${after}` }),
    system.startOrigin({ SIGNING_KEYS: after }),
  ]);
  key = (await system.createKey("alice")).key;
});
afterAll(() => system?.stop());

/** The statuses of reads and writes through a new edge. */
const traffic = async (signing: string, ...origins: readonly LocalOrigin[]): Promise<Set<number>> => {
  const ORIGINS = origins.map(({ url }) => url).join();
  const edge = await system.startEdge({ SIGNING_KEYS: signing, ORIGINS });
  const statuses = new Set<number>();
  const json = { lines: [{ productId: sampleProductId(1), quantity: 1 }] };
  const send = async (init: object): Promise<void> => {
    const response = await call(edge, "/v1/orders", { key, ...init });
    statuses.add(response.status);
    await response.arrayBuffer();
  };
  for (let turn = 0; turn < 10; turn += 1)
    await Promise.all([{}, { method: "POST", json }, {}, { method: "POST", json }].map(send));
  return statuses;
};

const DONE = new Set([200, 201]);

test("no request fails while origins with both keys are deployed", async () => {
  expect(await traffic(before, old, both)).toEqual(DONE);
});

test("no request fails while the edge changes to the new key", async () => {
  expect(await traffic(`${before},${after}`, both)).toEqual(DONE);
  expect(await traffic(`${after},${before}`, both)).toEqual(DONE);
});

test("no request fails while the old key is removed", async () => {
  expect(await traffic(after, both, next)).toEqual(DONE);
});

test("an origin rejects an edge whose key it does not have yet", async () => {
  expect(await traffic(after, old)).not.toContain(200);
});
