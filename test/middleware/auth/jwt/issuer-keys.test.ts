import { beforeAll, describe, expect, test } from "vitest";
import type { TokenVerdict } from "../../../../src/middleware/auth/jwt/verdict.ts";
import { type Bench, bench, type IssuerKey, issuerKey, NOW_S, setOf, settle, token } from "./issuer.ts";

let first: IssuerKey;
let second: IssuerKey;
/** They do not end within the hours that pass here. */
let byFirst: string;
let bySecond: string;

const MINUTE_MS = 60_000;
const exp = NOW_S + 1_000_000;

beforeAll(async () => {
  [first, second] = await Promise.all([issuerKey("ES256", "first"), issuerKey("ES256", "second")]);
  byFirst = await token(first, { exp });
  bySecond = await token(second, { exp });
});

const unknown = (kid: string): Promise<string> => token(first, { exp }, { kid });
const kindOf = async ({ verify }: Bench, text: string): Promise<TokenVerdict["kind"]> =>
  (await verify(text)).kind;
const never = (): Promise<never> => new Promise(() => undefined);
const deferred = () => Promise.withResolvers<unknown>();

describe("an unknown key", () => {
  test("is fetched once a minute, however many ask for however many", async () => {
    const issuer = bench(setOf(first));
    for (let minute = 0; minute < 3; minute += 1) {
      for (let turn = 0; turn < 20; turn += 1)
        expect(await issuer.verify(await unknown(`kid-${minute}-${turn}`))).toEqual({
          kind: "refused",
          reason: "unknown_key",
        });
      expect(issuer.fetches()).toBe(minute + 1);
      await issuer.clock.advance(MINUTE_MS - 1);
      expect(await kindOf(issuer, await unknown("x"))).toBe("refused");
      expect(issuer.fetches()).toBe(minute + 1);
      await issuer.clock.advance(1);
    }
  });

  test("that all ask for at once is fetched once, and all of them have it", async () => {
    const issuer = bench(setOf(first));
    await issuer.verify(byFirst);
    await issuer.clock.advance(MINUTE_MS);
    const answer = deferred();
    issuer.fetchAs(() => answer.promise);
    const asked = Array.from({ length: 50 }, () => kindOf(issuer, bySecond));
    await settle();
    expect(issuer.fetches()).toBe(2);
    answer.resolve(setOf(first, second));
    await settle();
    await issuer.clock.advance(20);
    expect(await Promise.all(asked)).toEqual(Array.from({ length: 50 }, () => "proven"));
    expect(issuer.fetches()).toBe(2);
  });

  test("keeps nobody waiting whose own key is known", async () => {
    const issuer = bench(setOf(first));
    await issuer.verify(byFirst);
    await issuer.clock.advance(MINUTE_MS);
    issuer.fetchAs(never);
    const waiting = issuer.verify(bySecond);
    expect(await kindOf(issuer, byFirst)).toBe("proven");
    await issuer.clock.advance(5_000);
    expect(await waiting).toEqual({ kind: "refused", reason: "unknown_key" });
  });

  test("among several that fit a token without a name is fetched by nobody", async () => {
    const issuer = bench(setOf(first, second));
    await issuer.verify(byFirst);
    await issuer.clock.advance(MINUTE_MS);
    await issuer.verify(await token(first, { exp }, { kid: undefined }));
    expect(issuer.fetches()).toBe(1);
  });

  test("is taken when the set has it", async () => {
    const issuer = bench(setOf(first));
    expect(await kindOf(issuer, bySecond)).toBe("refused");
    issuer.publish(setOf(first, second));
    await issuer.clock.advance(MINUTE_MS);
    expect(await kindOf(issuer, bySecond)).toBe("proven");
    expect(issuer.fetches()).toBe(2);
  });
});

test("a key that is not in the set any more proves nothing any more", async () => {
  const issuer = bench(setOf(first));
  expect(await kindOf(issuer, byFirst)).toBe("proven");
  issuer.publish(setOf(second));
  await issuer.clock.advance(MINUTE_MS);
  expect(await kindOf(issuer, bySecond)).toBe("proven");
  expect(await issuer.verify(byFirst)).toEqual({ kind: "refused", reason: "unknown_key" });
  expect(issuer.fetches()).toBe(2);
});

test("a set that has become empty proves nothing any more", async () => {
  const issuer = bench(setOf(first), { maxAgeMs: MINUTE_MS });
  expect(await kindOf(issuer, byFirst)).toBe("proven");
  issuer.publish({ keys: [] });
  await issuer.clock.advance(MINUTE_MS);
  await issuer.verify(byFirst);
  await Promise.all(issuer.background);
  expect(await issuer.verify(byFirst)).toEqual({ kind: "refused", reason: "unknown_key" });
});

describe("a fetch that brings nothing", () => {
  test.each<[string, () => Promise<unknown>]>([
    ["an error", () => Promise.reject(new Error("unreachable"))],
    [
      "an error that is thrown",
      () => {
        throw new Error("unreachable");
      },
    ],
    ["nothing", async () => undefined],
    ["garbage", async () => ({ error: "try later" })],
    ["an array", async () => []],
    ["a page", async () => "<html>"],
  ])("but %s keeps the keys that there are, and is the minute's one", async (_, answer) => {
    const issuer = bench(setOf(first));
    await issuer.verify(byFirst);
    await issuer.clock.advance(MINUTE_MS);
    issuer.fetchAs(answer);
    expect(await issuer.verify(bySecond)).toEqual({ kind: "refused", reason: "unknown_key" });
    expect(await kindOf(issuer, byFirst)).toBe("proven");
    issuer.publish(setOf(first, second));
    await issuer.clock.advance(MINUTE_MS - 1);
    expect(await kindOf(issuer, bySecond)).toBe("refused");
    expect(issuer.fetches()).toBe(2);
    await issuer.clock.advance(1);
    expect(await kindOf(issuer, bySecond)).toBe("proven");
  });

  test("at first leaves nobody able to say, and is made again after 1, 2, 4 s and so on, up to a minute", async () => {
    const issuer = bench(undefined);
    const attemptsAtS: number[] = [];
    for (let second = 0; second < 200; second += 1) {
      const before = issuer.fetches();
      expect(await issuer.verify(byFirst)).toEqual({ kind: "unavailable" });
      if (issuer.fetches() > before) attemptsAtS.push(second);
      await issuer.clock.advance(1_000);
    }
    expect(attemptsAtS).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183]);
    issuer.publish(setOf(first));
    await issuer.clock.advance(MINUTE_MS);
    expect(await kindOf(issuer, byFirst)).toBe("proven");
  }, 60_000);

  test("for all its time holds nobody longer than that, and others fetch nothing meanwhile", async () => {
    const issuer = bench(undefined);
    issuer.fetchAs(never);
    const asked = [issuer.verify(byFirst)];
    await issuer.clock.advance(4_000);
    asked.push(issuer.verify(byFirst), issuer.verify(bySecond));
    await issuer.clock.advance(999);
    expect(issuer.fetches()).toBe(1);
    await issuer.clock.advance(21);
    expect(await Promise.all(asked)).toEqual([
      { kind: "unavailable" },
      { kind: "unavailable" },
      { kind: "unavailable" },
    ]);
    expect(issuer.fetches()).toBe(1);
  });

  test("until it was given up changes nothing by what it brings late", async () => {
    const issuer = bench(undefined);
    const late = deferred();
    issuer.fetchAs(() => late.promise);
    const asked = issuer.verify(byFirst);
    await issuer.clock.advance(5_000);
    expect(await asked).toEqual({ kind: "unavailable" });
    issuer.publish(setOf(second));
    expect(await kindOf(issuer, bySecond)).toBe("proven");
    late.resolve(setOf(first));
    await settle();
    expect(await issuer.verify(byFirst)).toEqual({ kind: "refused", reason: "unknown_key" });
    expect(await kindOf(issuer, bySecond)).toBe("proven");
  });
});

test("a request that dies while it fetches holds the others for the fetch's time, and is followed by another", async () => {
  // What it waits for never goes on, as when the platform has ended it.
  let isDead = true;
  const issuer = bench(setOf(first), {
    within: (work, ms) => (isDead ? never() : issuer.clock.within(work, ms)),
  });
  issuer.fetchAs(never);
  void issuer.verify(byFirst);
  await settle();
  isDead = false;
  issuer.publish(setOf(first));
  const other = issuer.verify(byFirst);
  await issuer.clock.advance(5_020);
  expect(await other).toEqual({ kind: "unavailable" });
  expect(issuer.fetches()).toBe(1);
  expect(await kindOf(issuer, byFirst)).toBe("proven");
  expect(issuer.fetches()).toBe(2);
});

test("what a fetch brings that a later one has overtaken is older, and changes nothing", async () => {
  // The first one's own end of waiting comes late, as when the platform has let its request lie.
  let isLate = true;
  const issuer = bench(undefined, {
    within: (work, ms) => (isLate ? work : issuer.clock.within(work, ms)),
  });
  const answer = deferred();
  issuer.fetchAs(() => answer.promise);
  const asked = issuer.verify(byFirst);
  await settle();
  isLate = false;
  await issuer.clock.advance(5_000);
  issuer.publish(setOf(second));
  expect(await kindOf(issuer, bySecond)).toBe("proven");
  answer.resolve(setOf(first));
  expect(await asked).toEqual({ kind: "refused", reason: "unknown_key" });
  expect(await kindOf(issuer, bySecond)).toBe("proven");
  expect(issuer.fetches()).toBe(2);
});

test("nobody waits for a time any more when the keys have come, or could not be had", async () => {
  const issuer = bench(undefined);
  issuer.fetchAs(() => Promise.reject(new Error("unreachable")));
  expect(await kindOf(issuer, byFirst)).toBe("unavailable");
  expect(issuer.clock.waiting()).toBe(0);
  await issuer.clock.advance(1_000);
  const answer = deferred();
  issuer.fetchAs(() => answer.promise);
  const asked = kindOf(issuer, byFirst);
  await settle();
  expect(issuer.clock.waiting()).toBe(1);
  answer.resolve(setOf(first));
  expect(await asked).toBe("proven");
  expect(issuer.clock.waiting()).toBe(0);
});

describe("an old set", () => {
  test("is fetched again in the background, and used meanwhile", async () => {
    const issuer = bench(setOf(first));
    await issuer.verify(byFirst);
    expect(issuer.background).toHaveLength(1);
    await issuer.clock.advance(599_999);
    await issuer.verify(byFirst);
    expect(issuer.fetches()).toBe(1);
    await issuer.clock.advance(1);
    const answer = deferred();
    issuer.fetchAs(() => answer.promise);
    for (let turn = 0; turn < 10; turn += 1) expect(await kindOf(issuer, byFirst)).toBe("proven");
    expect(issuer.fetches()).toBe(2);
    expect(issuer.background).toHaveLength(2);
    answer.resolve(setOf(second));
    await issuer.background[1];
    expect(await kindOf(issuer, byFirst)).toBe("refused");
    expect(await kindOf(issuer, bySecond)).toBe("proven");
    expect(issuer.fetches()).toBe(2);
  });

  test("that cannot be fetched is used on, and tried again once a minute", async () => {
    const issuer = bench(setOf(first));
    await issuer.verify(byFirst);
    issuer.fetchAs(() => Promise.reject(new Error("unreachable")));
    await issuer.clock.advance(600_000);
    for (let tenth = 0; tenth < 30; tenth += 1) {
      expect(await kindOf(issuer, byFirst)).toBe("proven");
      await issuer.clock.advance(MINUTE_MS / 10);
    }
    expect(issuer.fetches()).toBe(1 + 3);
  });
});

test("a clock that is set back holds no fetch up for longer than it would have been", async () => {
  const issuer = bench(setOf(first));
  await issuer.verify(byFirst);
  issuer.publish(setOf(first, second));
  issuer.clock.set((NOW_S - 86_400) * 1_000);
  expect(await kindOf(issuer, bySecond)).toBe("proven");
  expect(issuer.fetches()).toBe(2);
});
