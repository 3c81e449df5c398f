/** Many principals, so that no limit rejects what the endurance runs send, and the products that they order. */
import { randomFillSync } from "node:crypto";
import { contract } from "../../../src/contract/contract.ts";
import { scopesOf } from "../../../src/contract/route.ts";
import { createKey } from "../../../src/middleware/auth/api-keys.ts";
import { insertKey, keysPublication } from "../../../src/origin/admin/keys.ts";
import { addProduct } from "../clients.ts";
import type { World } from "../world.ts";

export interface Principal {
  readonly name: string;
  readonly key: string;
  /** Its own, because some limits count addresses. */
  readonly address: string;
}

/** The most that a product may have. */
const STOCK = 1_000_000;

/** Keys with all scopes, published once. @param count at most 250 */
export const createPrincipals = async ({ pool, publish }: World, count: number): Promise<Principal[]> => {
  const principals: Principal[] = [];
  for (let n = 1; n <= count; n += 1) {
    const { id, key, hash } = createKey((bytes) => randomFillSync(bytes));
    const name = `endurance-${n}`;
    const record = { id, hash, principal: name, scopes: scopesOf(contract), expiresAtMs: null };
    await insertKey(pool, record, "endurance");
    principals.push({ name, key, address: `203.0.113.${n}` });
  }
  await publish(keysPublication);
  return principals;
};

/** @returns ids of new products with stock for every order of a run @throws Error if one cannot be added */
export const addProducts = async (
  edgeUrl: string,
  principals: readonly Principal[],
  count: number,
): Promise<string[]> => {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const principal = principals[n % principals.length];
    if (principal === undefined) throw new Error("there are no principals");
    ids.push(await addProduct(edgeUrl, principal, STOCK));
  }
  return ids;
};
