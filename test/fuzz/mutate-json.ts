/** JSON near valid JSON: another value, a missing or an unknown member, deeper or longer than meant, and broken text. */
import fc from "fast-check";
import { HOSTILE, nearTexts } from "./mutate.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

const hostileNumbers = [0, -0, -1, 0.5, 1e21, -1e21, 2 ** 31, 2 ** 53, 2 ** 63, 1e308, 5e-324];

const deep = (depth: number): Json => {
  let value: Json = 1;
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

const hostileValue: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(null, true, false, "", [], {}, [[]], [null], { "": 0 }, deep(40), deep(400)),
  fc.constantFrom<Json>(...hostileNumbers),
  fc.constantFrom<Json>(...HOSTILE),
  fc.integer(),
  fc.string({ unit: "binary", maxLength: 20 }),
);

type Change = (value: Json) => Json | undefined;

const isObject = (value: Json): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);

/** Changes the n-th value, in the order of the text; without a new value, its member or item is removed. */
const changeNth = (root: Json, n: number, change: Change): Json => {
  let left = n;
  const visit = (value: Json): Json | undefined => {
    if (left === 0) {
      left = -1;
      return change(value);
    }
    left -= 1;
    if (isList(value)) return value.flatMap((item) => visit(item) ?? []);
    if (!isObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, member]) => {
        const changed = visit(member);
        return changed === undefined ? [] : [[name, changed]];
      }),
    );
  };
  return visit(root) ?? null;
};

const sizeOf = (value: Json): number => {
  if (isList(value)) return value.reduce<number>((sum, item) => sum + sizeOf(item), 1);
  return isObject(value) ? Object.values(value).reduce<number>((sum, each) => sum + sizeOf(each), 1) : 1;
};

const changes: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 5,
    arbitrary: hostileValue.map(
      (value): Change =>
        () =>
          value,
    ),
  },
  { weight: 2, arbitrary: fc.constant<Change>(() => undefined) },
  { weight: 2, arbitrary: fc.constant<Change>((value) => [value, value]) },
  {
    weight: 1,
    arbitrary: fc.constant<Change>((value) => (isList(value) ? Array(300).fill(value[0] ?? 1) : value)),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...HOSTILE), hostileValue).map(
      ([name, added]): Change =>
        (value) =>
          isObject(value) ? { ...value, [name]: added } : { [name]: value },
    ),
  },
  {
    weight: 2,
    arbitrary: nearTexts([]).map(
      (text): Change =>
        () =>
          text,
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat({ max: 0xffff }), fc.constantFrom(...HOSTILE)).map(
      ([place, word]): Change =>
        (value) => {
          if (typeof value !== "string") return value;
          const from = place % (value.length + 1);
          return value.slice(0, from) + word + value.slice(from);
        },
    ),
  },
);

/** @param seeds valid values */
export const nearValues = (seeds: readonly Json[]): fc.Arbitrary<Json> =>
  fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat({ max: 0xffff }), changes), { minLength: 1, maxLength: 3 }),
    )
    .map(([seed, list]) =>
      list.reduce<Json>((value, [place, change]) => changeNth(value, place % sizeOf(value), change), seed),
    );

/** @param seeds valid values @returns their text, near JSON */
export const nearJson = (seeds: readonly Json[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom(...seeds).map((seed) => JSON.stringify(seed)) },
    { weight: 6, arbitrary: nearValues(seeds).map((value) => JSON.stringify(value)) },
    { weight: 3, arbitrary: nearTexts(seeds.map((seed) => JSON.stringify(seed))) },
  );
