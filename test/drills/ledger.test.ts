/** The ledger finds what a drill is about: orders that are lost, double, denied, changed or oversold. */
import { describe, expect, test } from "vitest";
import { compare, type Ledger, type OrderEntry, type Stored } from "./ledger.ts";

const line = { productId: "p", quantity: 2 };
const entry: OrderEntry = { principal: "alice", lines: [line], result: "done", id: "1" };
const order = { id: "1", principal: "alice", status: "placed", lines: [line] } as const;
/** Two of ten pieces are sold, in one order. */
const product = { id: "p", stock: 8, version: 2, restocked: 0, restocks: 0 };

const faultsOf = (
  orders: readonly OrderEntry[],
  stored: Partial<Stored>,
  changes: Ledger["changes"] = [],
): string[] =>
  compare(
    { stockAtStart: 10, productIds: ["p"], orders: [...orders], changes },
    { orders: [order], products: [product], ...stored },
  );

test("an order that is there, once, is no fault", () => {
  expect(faultsOf([entry], {})).toEqual([]);
});

test("an order whose client does not know its outcome may be there, or not", () => {
  const { id: _, ...unknown } = { ...entry, result: "unknown" } as const;
  expect(faultsOf([unknown], {})).toEqual([]);
  expect(faultsOf([unknown], { orders: [], products: [{ ...product, stock: 10, version: 1 }] })).toEqual([]);
});

describe("a fault is", () => {
  const other = { ...order, id: "2" };
  test.each<[string, readonly OrderEntry[], Partial<Stored>, RegExp]>([
    ["an order that is lost", [entry], { orders: [] }, /^lost .* order 1$/m],
    ["an order that two clients got", [entry, entry], {}, /^lost or given to two clients: order 1$/m],
    ["a second order of one request", [entry], { orders: [order, other] }, /^double or denied: order 2/m],
    ["an order that was refused", [{ ...entry, result: "not_done" }], {}, /^double or denied: order 1/m],
    ["an order of another client", [{ ...entry, principal: "bob" }], {}, /^changed: order 1$/m],
    ["a cancellation that is lost", [{ ...entry, cancellation: "done" }], {}, /^lost: cancellation of 1$/m],
    [
      "a cancellation that no client asked for",
      [entry],
      { orders: [{ ...order, status: "cancelled" }] },
      /^canceled by no client: order 1$/m,
    ],
    ["a stock that is too high", [entry], { products: [{ ...product, stock: 10 }] }, /^stock of p is 10/m],
    ["a stock below zero", [entry], { products: [{ ...product, stock: -2 }] }, /^stock of p is -2/m],
    ["a change that no client made", [entry], { products: [{ ...product, version: 3 }] }, /^1 changes of p/m],
  ])("%s", (_, orders, stored, fault) => {
    expect(faultsOf(orders, stored).join("\n")).toMatch(fault);
  });

  test("a change that is lost", () => {
    expect(faultsOf([entry], {}, [{ productId: "p", result: "done" }]).join()).toMatch(/^0 changes of p/);
  });
});
