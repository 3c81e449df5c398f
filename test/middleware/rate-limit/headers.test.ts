import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rateLimitFields, rejectionOf } from "../../../src/middleware/rate-limit/index.ts";
import { limitOf, Scene } from "./support/scene.ts";

const limit = limitOf({ name: "reads", capacity: 100, refillPerSecond: 100 / 60 });
const strict = { ...limit, strict: true };

describe("the RateLimit fields of draft-ietf-httpapi-ratelimit-headers-11", () => {
  test("contain the limit, the tokens left, and the seconds until it is full again", () => {
    const scene = new Scene();
    scene.admitted(strict, 50);
    expect(rateLimitFields(scene.request(strict))).toEqual({
      "ratelimit-policy": '"reads";q=100;w=60',
      ratelimit: '"reads";r=49;t=31',
    });
  });

  test("are lists if there are several limits", () => {
    const other = limitOf({ name: "all", capacity: 7, refillPerSecond: 7, strict: true });
    expect(rateLimitFields(new Scene().request([strict, other]))).toEqual({
      "ratelimit-policy": '"reads";q=100;w=60, "all";q=7;w=1',
      ratelimit: '"reads";r=99;t=1, "all";r=6;t=1',
    });
  });

  test("contain the seconds until the next token if the limit is used up", () => {
    const scene = new Scene();
    const scarce = limitOf({ name: "scarce", capacity: 1, refillPerSecond: 0.1 });
    expect(rateLimitFields(scene.request(scarce))["ratelimit"]).toBe('"scarce";r=0;t=10');
    scene.wait(2_500);
    expect(rateLimitFields(scene.request(scarce))["ratelimit"]).toBe('"scarce";r=0;t=8');
  });

  test("contain the numbers of an override", () => {
    const scene = new Scene();
    scene.store.override("writes:alice", { capacity: 12.5, refillPerSecond: 5 });
    const writes = limitOf({ name: "writes", per: "principal" });
    expect(rateLimitFields(scene.request(writes))["ratelimit-policy"]).toBe('"writes";q=12;w=3');
  });

  test("round a window shorter than a second up to one", () => {
    const quick = limitOf({ capacity: 10, refillPerSecond: 1_000 });
    expect(rateLimitFields(new Scene().request(quick))["ratelimit-policy"]).toBe('"test";q=10;w=1');
  });

  test("leave out dry runs and limits that cannot be checked", () => {
    expect(rateLimitFields(new Scene().request({ ...limit, dryRun: true }))).toEqual({});
    const scene = new Scene();
    scene.isStoreThere = false;
    expect(rateLimitFields(scene.request(limit))).toEqual({});
  });

  test("describe the isolate's own bucket while it decides", () => {
    const scene = new Scene();
    scene.isStoreThere = false;
    const { ratelimit } = rateLimitFields(scene.request({ ...limit, onStoreFailure: "local" }));
    expect(ratelimit).toBe('"reads";r=99;t=1');
  });
});

type Turn =
  | { readonly kind: "request"; readonly isolate: number; readonly cost: number; readonly times: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "outage"; readonly isStoreThere: boolean };

const anyTurn: fc.Arbitrary<Turn> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("request"),
      isolate: fc.nat(1),
      cost: fc.integer({ min: 1, max: 3 }),
      times: fc.integer({ min: 1, max: 40 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait"), ms: fc.integer({ min: 1, max: 3_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("outage"), isStoreThere: fc.boolean() }) },
);

test("a limit that rejects a request never says that enough tokens are left for it", () => {
  const verify = (turns: readonly Turn[], capacity: number, refillPerSecond: number, strict: boolean) => {
    const first = new Scene();
    const scenes = [first, new Scene(first.store)] as const;
    for (const turn of turns) {
      if (turn.kind === "wait") for (const scene of scenes) scene.wait(turn.ms);
      else if (turn.kind === "outage") for (const scene of scenes) scene.isStoreThere = turn.isStoreThere;
      else
        for (let time = 0; time < turn.times; time += 1) {
          const asked = limitOf({
            capacity,
            refillPerSecond,
            strict,
            cost: turn.cost,
            onStoreFailure: "local",
          });
          const verdict = scenes[turn.isolate === 0 ? 0 : 1].request(asked);
          const [, left, seconds] =
            /;r=(\d+);t=(\d+)$/.exec(rateLimitFields(verdict)["ratelimit"] ?? "") ?? [];
          if (verdict.isAdmitted) continue;
          expect(Number(left)).toBeLessThan(turn.cost);
          expect(Number(seconds)).toBeGreaterThan(0);
        }
    }
  };
  const numbers = [fc.integer({ min: 3, max: 100 }), fc.integer({ min: 1, max: 100 }), fc.boolean()] as const;
  fc.assert(fc.property(fc.array(anyTurn, { maxLength: 30 }), ...numbers, verify));
});

describe("a rejection", () => {
  test("has the limit's name, and the seconds until a retry is admitted", () => {
    const scene = new Scene();
    const scarce = limitOf({ name: "scarce", capacity: 1, refillPerSecond: 0.4 });
    scene.request(scarce);
    const rejection = rejectionOf(scene.request(scarce));
    expect(rejection).toMatchObject({
      code: "rate_limited",
      violatedPolicies: ["scarce"],
      headers: { "retry-after": "3" },
    });
    scene.wait(2_499);
    expect(scene.request(scarce).isAdmitted).toBe(false);
    scene.wait(1);
    expect(scene.request(scarce).isAdmitted).toBe(true);
  });

  test("by several limits has all their names, and the longest wait", () => {
    const scene = new Scene();
    const limits = [
      limitOf({ name: "a", capacity: 1, refillPerSecond: 1 }),
      limitOf({ name: "b", capacity: 1, refillPerSecond: 0.1 }),
    ];
    scene.request(limits);
    expect(rejectionOf(scene.request(limits))).toMatchObject({
      code: "rate_limited",
      violatedPolicies: ["a", "b"],
      headers: { "retry-after": "10" },
    });
  });

  test("because the store does not answer is marked as unavailable", () => {
    const scene = new Scene();
    scene.isStoreThere = false;
    expect(rejectionOf(scene.request(limit))).toEqual({
      code: "unavailable",
      detail: 'The limit "reads" cannot be checked at the moment.',
      headers: { "retry-after": "1" },
    });
  });
});
