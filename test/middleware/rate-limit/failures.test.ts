/** The limiter while its store does not answer, or while its own clock is wrong. */
import { describe, expect, test } from "vitest";
import { large, limitOf, refillOf, Scene, verdictOf } from "./support/scene.ts";

describe("while the store does not answer", () => {
  const without = (onStoreFailure: "local" | "open" | "closed") => {
    const scene = new Scene();
    scene.isStoreThere = false;
    return { scene, limit: limitOf({ capacity: 3, refillPerSecond: 1, onStoreFailure }) };
  };

  test("local: the isolate's own bucket decides", () => {
    const { scene, limit } = without("local");
    expect(scene.outcomes(limit, 4)).toEqual([...Array(3).fill("local passed"), "local limited"]);
    expect(scene.result(limit).waitMs).toBe(1_000);
    scene.wait(1_000);
    expect(scene.admitted(limit, 3)).toBe(1);
  });

  test("open: every request is admitted; closed: none is", () => {
    const [open, closed] = [without("open"), without("closed")];
    expect(open.scene.outcomes(open.limit, 10)).toEqual(Array(10).fill("open passed"));
    expect(closed.scene.outcomes(closed.limit, 10)).toEqual(Array(10).fill("closed unavailable"));
  });

  test("leased tokens are used first", () => {
    const scene = new Scene();
    scene.request(large);
    scene.isStoreThere = false;
    expect(scene.result(large).mode).toBe("lease");
  });

  test("a request that a closed limit rejects uses no tokens of a local one", () => {
    const { scene, limit } = without("local");
    const closed = limitOf({ name: "closed", onStoreFailure: "closed" });
    for (let turn = 0; turn < 10; turn += 1) scene.request([limit, closed]);
    expect(scene.admitted(limit, 10)).toBe(3);
  });

  test("decisions are not remembered for when the store is back", () => {
    const { scene, limit } = without("local");
    scene.admitted(limit, 10);
    scene.isStoreThere = true;
    expect(scene.outcomes(limit, 4)).toEqual([
      "store passed",
      expect.stringMatching("passed"),
      expect.stringMatching("passed"),
      "remembered limited",
    ]);
  });
});

describe("the isolate's clock", () => {
  test("that is set back ends every lease", () => {
    const scene = new Scene();
    for (let turn = 0; turn < 100; turn += 1) scene.request(large);
    expect(scene.result(large).mode).toBe("lease");
    scene.wait(-1);
    expect(scene.result(large).mode).toBe("store");
  });

  test("that is set back during a refill voids its tokens, and ends the wait for it", () => {
    const scene = new Scene();
    const leader = scene.begin([large]);
    const refill = refillOf(leader.next());
    const follower = scene.begin([large]);
    expect(follower.next().kind).toBe("wait");
    scene.wait(-1_000);
    scene.answer(refill);
    expect(verdictOf(leader.next()).isAdmitted).toBe(true);
    expect(follower.next().kind).toBe("refill");
  });

  test("that is set back does not refill the isolate's own bucket", () => {
    const scene = new Scene();
    scene.isStoreThere = false;
    const limit = limitOf({ capacity: 3, refillPerSecond: 5, onStoreFailure: "local" });
    let admitted = 0;
    for (let turn = 0; turn < 50; turn += 1) {
      scene.wait(-1);
      admitted += scene.admitted(limit, 1);
    }
    expect(admitted).toBe(3);
  });
});
