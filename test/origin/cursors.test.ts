import { describe, expect, test } from "vitest";
import { cursorsOf, filterOf } from "../../src/origin/cursors.ts";
import { ProblemError } from "../../src/origin/middleware/error-handler.ts";
import { testKey } from "../middleware/signature/signed-request.ts";

const [current, previous] = [testKey("new", 2), testKey("old", 1)];
const list = (filter = "") => ({ operation: "listOrders", principal: "alice", filter });

describe("a list's cursors", () => {
  const cursors = cursorsOf([current, previous], list);

  test("open what they sealed, and nothing where the client sent none", () => {
    expect(cursors.open(cursors.seal("position"))).toBe("position");
    expect(cursors.open(undefined)).toBeUndefined();
  });

  test("are sealed with the first key and opened with each", () => {
    const ofOld = cursorsOf([previous], list);
    expect(cursors.open(ofOld.seal("position"))).toBe("position");
    expect(() => ofOld.open(cursors.seal("position"))).toThrow(ProblemError);
  });

  test("refuse what is not theirs with 400, naming the parameter", () => {
    const elsewhere = cursorsOf([current], () => list('[["q","rope"]]'));
    for (const cursor of ["", "made-up", elsewhere.seal("position")]) {
      const error = (() => {
        try {
          return cursors.open(cursor);
        } catch (thrown) {
          return thrown;
        }
      })();
      expect(error).toBeInstanceOf(ProblemError);
      expect(error).toMatchObject({
        problem: { code: "invalid_request", errors: [{ in: "query", field: "cursor" }] },
      });
    }
  });

  test("ask which list it is only where there is a cursor", () => {
    const unasked = cursorsOf([current], () => {
      throw new Error("asked");
    });
    expect(unasked.open(undefined)).toBeUndefined();
  });
});

describe("a query's filter", () => {
  test("is the same whatever the order, the page's size and place", () => {
    expect(filterOf({ q: "rope", inStock: true, limit: 2, cursor: "c" })).toBe(
      filterOf({ inStock: true, q: "rope", limit: 50 }),
    );
  });

  test("counts what was not given as absent", () => {
    expect(filterOf({ q: undefined })).toBe(filterOf({}));
  });

  test.each([
    [{ q: "a" }, { q: "b" }],
    [{ q: "a" }, {}],
    [{ q: "a" }, { r: "a" }],
    [{ q: 1 }, { q: "1" }],
    [{ q: "a", r: "b" }, { q: 'a"],["r","b' }],
  ])("differs where the items may differ: %j, %j", (one, two) => {
    expect(filterOf(one)).not.toBe(filterOf(two));
  });

  test("of no query is empty", () => {
    expect(filterOf(undefined)).toBe("");
  });
});
