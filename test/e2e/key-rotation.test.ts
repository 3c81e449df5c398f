/** The key between the tiers is replaced while requests come: add, move up, remove, one deployment each. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LocalOrigin } from "../../src/local/origin.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type System, startSystem } from "../support/system.ts";

const newKey = (id: string): string => `${id}:${randomBytes(32).toString("base64")}`;

const [before, after] = [newKey("before"), newKey("after")];

let system: System;
let key: string;
/** Of each deployment of the origins: with the old key, with both, with the new one. */
let old: LocalOrigin;
let both: LocalOrigin;
let next: LocalOrigin;

beforeAll(async () => {
  system = await startSystem({
    originEnvironment: { SIGNING_KEYS: before },
    edgeEnvironment: { SIGNING_KEYS: before },
  });
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

const edgeTo = (signing: string, ...origins: readonly LocalOrigin[]): Promise<string> =>
  system.startEdge({ SIGNING_KEYS: signing, ORIGINS: origins.map(({ url }) => url).join() });

/** Reads and writes, a few at a time. @returns the statuses that were answered */
const traffic = async (edgeUrls: readonly string[]): Promise<Set<number>> => {
  const statuses = new Set<number>();
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const body = JSON.stringify({ lines: [{ productId: sampleProductId(1), quantity: 1 }] });
  const one = async (edgeUrl: string, n: number): Promise<void> => {
    const init = n % 2 === 0 ? { headers } : { headers, method: "POST", body };
    const response = await fetch(`${edgeUrl}/v1/orders`, init);
    statuses.add(response.status);
    await response.arrayBuffer();
  };
  for (let turn = 0; turn < 10; turn += 1)
    await Promise.all(edgeUrls.flatMap((url) => [0, 1, 2, 3].map((n) => one(url, n))));
  return statuses;
};

const DONE = new Set([200, 201]);

test("no request fails while the origins that believe both keys come, one by one", async () => {
  expect(await traffic([await edgeTo(before, old, both)])).toEqual(DONE);
});

test("none fails while the edge changes over to the new key", async () => {
  const edges = [await edgeTo(`${before},${after}`, both), await edgeTo(`${after},${before}`, both)];
  expect(await traffic(edges)).toEqual(DONE);
});

test("none fails while the old key is taken away", async () => {
  expect(await traffic([await edgeTo(after, both, next)])).toEqual(DONE);
});

test("an edge that signs with a key that no origin knows yet is believed by none", async () => {
  expect(await traffic([await edgeTo(after, old)])).not.toContain(200);
});
