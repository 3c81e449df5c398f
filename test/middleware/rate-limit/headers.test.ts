import { describe, expect, test } from "vitest";
import { rateLimitFields, rejectionOf } from "../../../src/middleware/rate-limit/headers.ts";
import { limitOf, Scene } from "./support/scene.ts";

const limit = limitOf({ name: "reads", capacity: 100, refillPerSecond: 100 / 60 });

describe("the fields of draft-ietf-httpapi-ratelimit-headers-11", () => {
  test("tell what the limit is, what is left of it, and until when no more than that may be used", () => {
    const scene = new Scene();
    for (let turn = 0; turn < 50; turn += 1) scene.request({ ...limit, strict: true });
    const fields = rateLimitFields(scene.request({ ...limit, strict: true }));
    expect(fields).toEqual({
      "ratelimit-policy": '"reads";q=100;w=60',
      ratelimit: '"reads";r=49;t=31',
    });
  });

  test("are lists where there are several limits", () => {
    const other = limitOf({ name: "all", capacity: 7, refillPerSecond: 7 });
    expect(
      rateLimitFields(
        new Scene().request([
          { ...limit, strict: true },
          { ...other, strict: true },
        ]),
      ),
    ).toEqual({
      "ratelimit-policy": '"reads";q=100;w=60, "all";q=7;w=1',
      ratelimit: '"reads";r=99;t=1, "all";r=6;t=1',
    });
  });

  test("count what the isolate has as left", () => {
    const { ratelimit } = rateLimitFields(new Scene().request(limit));
    expect(ratelimit).toBe('"reads";r=99;t=1');
  });

  test("say of a limit that is used up when there is something again", () => {
    const scene = new Scene();
    const scarce = limitOf({ name: "scarce", capacity: 1, refillPerSecond: 0.1 });
    expect(rateLimitFields(scene.request(scarce))["ratelimit"]).toBe('"scarce";r=0;t=10');
    scene.wait(2_500);
    expect(rateLimitFields(scene.request(scarce))["ratelimit"]).toBe('"scarce";r=0;t=8');
  });

  test("tell the override's numbers to whom it is for", () => {
    const scene = new Scene();
    scene.store.override("writes:alice", { capacity: 12.5, refillPerSecond: 5 });
    const writes = limitOf({ name: "writes", per: "principal" });
    expect(rateLimitFields(scene.request(writes))["ratelimit-policy"]).toBe('"writes";q=12;w=3');
  });

  test("of a window shorter than a second say one", () => {
    const quick = limitOf({ capacity: 10, refillPerSecond: 1_000 });
    expect(rateLimitFields(new Scene().request(quick))["ratelimit-policy"]).toBe('"test";q=10;w=1');
  });

  test("tell nothing of a dry run, nor of what nobody can say", () => {
    expect(rateLimitFields(new Scene().request({ ...limit, dryRun: true }))).toEqual({});
    const scene = new Scene();
    scene.isStoreThere = false;
    expect(rateLimitFields(scene.request(limit))).toEqual({});
  });

  test("tell of the isolate's own bucket while it decides", () => {
    const scene = new Scene();
    scene.isStoreThere = false;
    const { ratelimit } = rateLimitFields(scene.request({ ...limit, onStoreFailure: "local" }));
    expect(ratelimit).toBe('"reads";r=99;t=1');
  });
});

describe("a refusal", () => {
  test("is none of an admitted request", () => {
    expect(rejectionOf(new Scene().request(limit))).toBeUndefined();
  });

  test("names the limit, and the second from which on another try is admitted", () => {
    const scene = new Scene();
    const scarce = limitOf({ name: "scarce", capacity: 1, refillPerSecond: 0.4 });
    scene.request(scarce);
    const refusal = rejectionOf(scene.request(scarce));
    expect(refusal).toEqual({ isUnavailable: false, limits: ["scarce"], retryAfterS: 3 });
    scene.wait(2_499);
    expect(scene.request(scarce).isAdmitted).toBe(false);
    scene.wait(1);
    expect(scene.request(scarce).isAdmitted).toBe(true);
  });

  test("by several limits names all of them, and the last second", () => {
    const scene = new Scene();
    const limits = [
      limitOf({ name: "a", capacity: 1, refillPerSecond: 1 }),
      limitOf({ name: "b", capacity: 1, refillPerSecond: 0.1 }),
    ];
    scene.request(limits);
    expect(rejectionOf(scene.request(limits))).toEqual({
      isUnavailable: false,
      limits: ["a", "b"],
      retryAfterS: 10,
    });
  });

  test("for want of a store is another one", () => {
    const scene = new Scene();
    scene.isStoreThere = false;
    expect(rejectionOf(scene.request(limit))).toEqual({
      isUnavailable: true,
      limits: ["reads"],
      retryAfterS: 1,
    });
  });
});
