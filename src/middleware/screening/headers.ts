/** Screens header fields: number, size, line breaks, and repeated fields. One look at each. */
import { type Finding, finding, type ScreeningRule } from "./rules.ts";

export type HeaderFields = Iterable<readonly [name: string, value: string]>;

/** Lengths are UTF-16 code units. */
const MAX_FIELDS = 100;
const MAX_VALUE_LENGTH = 8 * 1024;
const MAX_TOTAL_LENGTH = 32 * 1024;

const PLAIN_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** A quoted string; an unclosed one extends to the end, because to look for its end again would take quadratic time. */
const QUOTED = /"(?:[^"\\]|\\[\s\S])*(?:"|\\?$)/g;
const ANY_COMMA = /,/;
/** A comma that no parameter follows: `Digest a=b, c=d` is one value, `Bearer a, Bearer b` two. */
const COMMA_BEFORE_NO_PARAMETER = /,(?![ \t]*[!#$%&'*+.^_`|~\w-]+[ \t]*=[^=,])/;
/** A key may contain a comma, but no space. */
const COMMA_AND_SPACE = /, /;

interface SingleField {
  readonly name: string;
  /** Matches outside quotes if there are several values. */
  readonly separator: RegExp;
}

const SINGLE: readonly SingleField[] = [
  { name: "authorization", separator: COMMA_BEFORE_NO_PARAMETER },
  { name: "content-type", separator: ANY_COMMA },
  { name: "content-length", separator: ANY_COMMA },
  { name: "idempotency-key", separator: COMMA_AND_SPACE },
  { name: "host", separator: ANY_COMMA },
];

/** By the length of their names, which differ, and which few other names share. */
const singleByLength: readonly (SingleField | undefined)[] = Array.from({ length: 16 }, (_, length) =>
  SINGLE.find(({ name }) => name.length === length),
);

/** A range is faster to find than three characters, and of the others in it only tabs occur. */
const MAYBE_BREAK = /[\0-\r]/;
const BREAK = /[\0\r\n]/;

/** Most runtimes reject these themselves. */
const hasBreak = (value: string): boolean => MAYBE_BREAK.test(value) && BREAK.test(value);

const hasSeveral = ({ separator }: SingleField, value: string): boolean =>
  value.includes(",") && separator.test(value.replace(QUOTED, '""'));

const singleField = (name: string): SingleField | undefined => {
  const field = singleByLength[name.length];
  return field && (field.name === name || field.name === name.toLowerCase()) ? field : undefined;
};

const brokenRule = (
  value: string,
  single: SingleField | undefined,
  isRepeated: boolean,
): ScreeningRule | undefined => {
  if (value.length > MAX_VALUE_LENGTH) return "headers_too_large";
  if (hasBreak(value)) return "control_characters";
  return isRepeated || (single && hasSeveral(single, value)) ? "duplicate_header" : undefined;
};

export const screenHeaders = (headers: HeaderFields): Finding | undefined => {
  let first: Finding | undefined;
  let count = 0;
  let length = 0;
  /** Single fields seen, one bit each: the length of the name. */
  let seen = 0;
  for (const [name, value] of headers) {
    count += 1;
    length += name.length + value.length;
    if (first !== undefined || length > MAX_TOTAL_LENGTH) continue;
    const single = singleField(name);
    const bit = single === undefined ? 0 : 1 << name.length;
    const rule = brokenRule(value, single, (seen & bit) !== 0);
    seen |= bit;
    if (rule !== undefined) first = finding(rule, `header field ${PLAIN_NAME.test(name) ? name : count}`);
  }
  // The limits of all fields together come first.
  if (count > MAX_FIELDS) return finding("headers_too_large", "number of header fields");
  if (length > MAX_TOTAL_LENGTH) return finding("headers_too_large", "header fields together");
  return first;
};
