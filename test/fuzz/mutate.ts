/** Texts and JSON near valid ones: edited, cut, doubled, spliced, and with words on which parsers stumble. */
import fc from "fast-check";

/** Boundaries of numbers, encodings, separators, names of prototypes, and repetitions on which expressions may hang. */
export const HOSTILE: readonly string[] = [
  ..."\0 \t \r\n \x7f \x80 \u00ff \u2028 \u202e \ufeff \ud800 \udc00 \u{1f600} ' \" \\ ` $ { } [ ] ( ) < > | & * ? # / // ; : , = == @ % - _ . .. ~ +".split(
    " ",
  ),
  ..."%00 %0d%0a %2e%2e%2f %c0%af %ff %u0000 %25%32%65 %e2%82 \\u0000 \\ud800 \\x00 ../ ..\\ {{7*7}} <!-- -- /* null".split(
    " ",
  ),
  ..."true false undefined NaN Infinity -Infinity -0 0 1 -1 00 01 1e999 -1e999 1e-400 0x10 1_0 1.5 .5 1. 2147483648 4294967296 9007199254740993 18446744073709551616 99999999999999999999999".split(
    " ",
  ),
  ..."__proto__ constructor prototype toString hasOwnProperty toJSON then length".split(" "),
  ...'W/ "a" max-age=60 no-store * ,, ;; && == 00000000-0000-0000-0000-000000000000 127.0.0.1 ::1 ::ffff:1.2.3.4 fe80::1%eth0 999.1.1.1 1.1'.split(
    " ",
  ),
  "a".repeat(300),
  "9".repeat(400),
  " ".repeat(2_000),
  "%41".repeat(500),
  ",".repeat(3_000),
  '"'.repeat(1_000),
  "a,".repeat(1_500),
  "../".repeat(800),
  "[".repeat(4_000),
  '{"a":'.repeat(3_000),
  "=".repeat(1_000),
  "é".repeat(5_000),
];

const character = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 0xff }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }) },
);
const place = fc.nat({ max: 0xffff });
const few = fc.integer({ min: 1, max: 12 });

type Edit = (text: string) => string;

const at = (text: string, position: number): number => position % (text.length + 1);

const edits = (seeds: readonly string[], words: readonly string[]): fc.Arbitrary<Edit> => {
  const word = fc.constantFrom(...words);
  const other = seeds.length === 0 ? word : fc.constantFrom(...seeds);
  const insert = (part: fc.Arbitrary<string>) =>
    fc.tuple(place, part).map(
      ([position, added]): Edit =>
        (text) => {
          const from = at(text, position);
          return text.slice(0, from) + added + text.slice(from);
        },
    );
  const replace = (length: fc.Arbitrary<number>, part: fc.Arbitrary<string>) =>
    fc.tuple(place, length, part).map(
      ([position, removed, added]): Edit =>
        (text) => {
          const from = at(text, position);
          return text.slice(0, from) + added + text.slice(from + removed);
        },
    );
  const char = character.map((code) => String.fromCharCode(code));
  return fc.oneof(
    { weight: 4, arbitrary: replace(fc.constant(1), char) },
    { weight: 2, arbitrary: replace(few, fc.constant("")) },
    { weight: 2, arbitrary: insert(char) },
    { weight: 3, arbitrary: insert(word) },
    { weight: 2, arbitrary: replace(few, word) },
    // One bit of one character.
    {
      weight: 2,
      arbitrary: fc.tuple(place, fc.nat({ max: 7 })).map(
        ([position, bit]): Edit =>
          (text) => {
            const from = at(text, position);
            const flipped = String.fromCharCode((text.charCodeAt(from) || 0) ^ (1 << bit));
            return text.slice(0, from) + flipped + text.slice(from + 1);
          },
      ),
    },
    // A part several times.
    {
      weight: 2,
      arbitrary: fc.tuple(place, few, fc.oneof(few, fc.constantFrom(40, 400))).map(
        ([position, length, times]): Edit =>
          (text) => {
            const from = at(text, position);
            return text.slice(0, from) + text.slice(from, from + length).repeat(times) + text.slice(from);
          },
      ),
    },
    // The beginning of one text and the end of another.
    {
      weight: 2,
      arbitrary: fc.tuple(place, other, place).map(
        ([position, end, start]): Edit =>
          (text) =>
            text.slice(0, at(text, position)) + end.slice(at(end, start)),
      ),
    },
    {
      weight: 1,
      arbitrary: place.map(
        (position): Edit =>
          (text) =>
            text.slice(0, at(text, position)),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.boolean().map(
        (isUpper): Edit =>
          (text) =>
            isUpper ? text.toUpperCase() : text.toLowerCase(),
      ),
    },
  );
};

/** @param seeds valid texts @param words of the format, besides the hostile ones */
export const nearTexts = (seeds: readonly string[], words: readonly string[] = []): fc.Arbitrary<string> => {
  const all = [...HOSTILE, ...words, ...words];
  const start = seeds.length === 0 ? fc.constant("") : fc.constantFrom(...seeds);
  const edited = fc
    .tuple(start, fc.array(edits(seeds, all), { minLength: 1, maxLength: 5 }))
    .map(([text, changes]) => changes.reduce((each, change) => change(each), text));
  return fc.oneof(
    { weight: 1, arbitrary: start },
    { weight: 10, arbitrary: edited },
    {
      weight: 1,
      arbitrary: fc.array(fc.constantFrom(...all), { maxLength: 6 }).map((parts) => parts.join("")),
    },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 60 }) },
  );
};
