/** A strict limit beside many concurrent requests, and while its store does not answer. */
import { describe, expect, test } from "vitest";
import type { RequestCheck, Step } from "../../../src/middleware/rate-limit/request-check.ts";
import { limitOf, refillOf, Scene, verdictOf } from "./support/scene.ts";

const orders = limitOf({ name: "orders", capacity: 30, refillPerSecond: 1, strict: true });
const local = { ...orders, onStoreFailure: "local" as const };

interface Begun {
  readonly check: RequestCheck;
  readonly step: Step;
}

const beginMany = (scene: Scene, count: number, limits = [orders]): Begun[] =>
  Array.from({ length: count }, () => {
    const check = scene.begin(limits);
    return { check, step: check.next() };
  });

const waitingOf = (begun: readonly Begun[]): RequestCheck[] =>
  begun.filter(({ step }) => step.kind === "wait").map(({ check }) => check);

const answerAll = (scene: Scene, begun: readonly Begun[]): void => {
  for (const { step } of begun) if (step.kind === "refill") scene.answer(step.refill);
};

describe("many concurrent requests of a strict limit", () => {
  test("make few round trips: what waits for its turn shares the next one", () => {
    const scene = new Scene();
    const begun = beginMany(scene, 100);
    const waiting = waitingOf(begun);
    expect(waiting).toHaveLength(96);
    answerAll(scene, begun);
    scene.wait(10);
    const again = waiting.map((check) => ({ check, step: check.next() }));
    expect(again.filter(({ step }) => step.kind === "refill")).toHaveLength(1);
    answerAll(scene, again);
    expect(scene.store.trips).toBe(5);
    const verdicts = [...begun.filter(({ step }) => step.kind === "refill"), ...again].map(({ check }) =>
      verdictOf(check.next()),
    );
    expect(verdicts.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(orders.capacity);
    expect(new Set(verdicts.map(({ results }) => results[0]?.mode))).toEqual(new Set(["store"]));
  });

  test("keep no token: what a round trip brings is used at once, or lost", () => {
    const scene = new Scene();
    const begun = beginMany(scene, 10);
    answerAll(scene, begun);
    scene.wait(10);
    const [sender, ...gone] = waitingOf(begun);
    expect(gone).toHaveLength(5);
    scene.answer(refillOf(sender?.next() ?? { kind: "wait", ms: 0 }));
    // The others have left. Theirs are tokens of the store that no later request gets.
    expect(scene.outcomes(orders, 1)).toEqual(["store passed"]);
    expect(scene.store.trips).toBe(6);
  });

  test("share no round trip that another limit may reject", () => {
    const scene = new Scene();
    const account = limitOf({ name: "account", capacity: 1 });
    const begun = beginMany(scene, 10, [orders, account]);
    answerAll(scene, begun);
    expect(verdictOf(begun[0]?.check.next() ?? { kind: "wait", ms: 0 }).isAdmitted).toBe(true);
    for (const { check } of begun.slice(4)) expect(verdictOf(check.next()).isAdmitted).toBe(false);
    // The account rejected all but the first, so they have consumed no order.
    expect(scene.admitted(orders, 100)).toBe(orders.capacity - 1);
  });

  test("wait for their turn no longer than for a round trip", () => {
    const scene = new Scene();
    const [last] = waitingOf(beginMany(scene, 5));
    if (last === undefined) throw new Error("none is waiting");
    expect(refillOf(scene.poll(last, 160)).timeoutMs).toBe(150);
  });
});

describe("while the store does not answer, an isolate's own bucket", () => {
  test("begins with what the store had left, not full", () => {
    const scene = new Scene();
    expect(scene.admitted(local, 20)).toBe(20);
    scene.isStoreThere = false;
    expect(scene.admitted(local, 30)).toBe(10);
    scene.wait(3_000);
    expect(scene.admitted(local, 30)).toBe(3);
  });

  test("begins with the least of what replies said that have overtaken each other", () => {
    const scene = new Scene();
    const [first, second] = [scene.begin([local]), scene.begin([{ ...local, cost: 20 }])];
    const [early, late] = [refillOf(first.next()), refillOf(second.next())];
    const reply = scene.store.take(early.asks);
    scene.wait(5);
    scene.answer(late);
    early.answered(reply);
    scene.isStoreThere = false;
    expect(scene.admitted(local, 30)).toBe(9);
  });

  test("begins with what the store had left in each outage", () => {
    const scene = new Scene();
    scene.isStoreThere = false;
    expect(scene.admitted(local, 5)).toBe(5);
    scene.isStoreThere = true;
    scene.wait(10_000);
    expect(scene.admitted(local, 28)).toBe(28);
    scene.isStoreThere = false;
    expect(scene.admitted(local, 30)).toBe(2);
  });

  test("is paid by the store when it answers again: a store that comes and goes admits no more", () => {
    const scene = new Scene();
    let admitted = 0;
    for (let turn = 0; turn < 30; turn += 1) {
      scene.isStoreThere = turn % 3 === 0;
      admitted += scene.admitted(local, 5);
    }
    expect(admitted).toBeLessThanOrEqual(local.capacity);
  });

  test("leaves out what the store may be about to grant", () => {
    const scene = new Scene();
    scene.admitted(local, 10);
    const [slow, failing] = [scene.begin([{ ...local, cost: 15 }]), scene.begin([local])];
    expect(slow.next().kind).toBe("refill");
    refillOf(failing.next()).failed();
    expect(verdictOf(failing.next()).results[0]).toMatchObject({ mode: "local", remaining: 4 });
  });

  test("that the store has never filled is paid, too", () => {
    const scene = new Scene();
    scene.isStoreThere = false;
    expect(scene.admitted(local, 20)).toBe(20);
    scene.isStoreThere = true;
    expect(scene.admitted(local, 40)).toBe(10);
  });

  test("asks the store for no more than is missing after a long outage", () => {
    const scene = new Scene();
    scene.admitted(local, 1);
    scene.isStoreThere = false;
    scene.admitted(local, 20);
    scene.wait(60_000);
    scene.isStoreThere = true;
    expect(scene.admitted(local, 40)).toBe(local.capacity);
  });
});
