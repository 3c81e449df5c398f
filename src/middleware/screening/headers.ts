/** Screens header fields: how many and how large they are, and what can stand in none. One look at each. */
import { type Finding, finding } from "./rules.ts";

/** Arrays and other iterables of names and values, or what calls back for each, as `Headers` and `Map` do. */
export type HeaderFields =
  | Iterable<readonly [name: string, value: string]>
  | { forEach(callback: (value: string, name: string) => void): void };

/** Lengths are UTF-16 code units, which for what HTTP allows in a field are bytes. */
export const MOST_FIELDS = 100;
export const MOST_VALUE_LENGTH = 8 * 1024;
export const MOST_FIELDS_LENGTH = 32 * 1024;

const PLAIN_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** One that is never closed goes on to the end: to look for its end again from within would take time that grows squarely. */
const QUOTED = /"(?:[^"\\]|\\[\s\S])*(?:"|\\?$)/g;
const ANY_COMMA = /,/;
/** A comma behind which no parameter begins: `Digest a=b, c=d` is one value, `Bearer a, Bearer b` two. */
const COMMA_BEFORE_NO_PARAMETER = /,(?![ \t]*[!#$%&'*+.^_`|~\w-]+[ \t]*=[^=,])/;
/** A key may hold a comma, but no space. */
const COMMA_AND_SPACE = /, /;

interface SingleField {
  readonly name: string;
  /** What no one value of it holds outside quotes. */
  readonly several: RegExp;
}

const SINGLE: readonly SingleField[] = [
  { name: "authorization", several: COMMA_BEFORE_NO_PARAMETER },
  { name: "content-type", several: ANY_COMMA },
  { name: "content-length", several: ANY_COMMA },
  { name: "idempotency-key", several: COMMA_AND_SPACE },
  { name: "host", several: ANY_COMMA },
];

/** No two of their names are of one length, and most other names are of none of these. */
const singleByLength: readonly (SingleField | undefined)[] = Array.from({ length: 16 }, (_, length) =>
  SINGLE.find(({ name }) => name.length === length),
);

/** One range is looked for faster than three characters; of what else is in it only tabs are met. */
const MAYBE_BREAK = /[\0-\r]/;
const BREAK = /[\0\r\n]/;

/** A value never takes more than one line. Runtimes refuse most of this before we see it, but nobody says that all must. */
const hasBreak = (value: string): boolean => MAYBE_BREAK.test(value) && BREAK.test(value);

const holdsSeveral = ({ several }: SingleField, value: string): boolean =>
  value.includes(",") && several.test(value.replace(QUOTED, '""'));

class FieldsScreen {
  #found: Finding | undefined = undefined;
  #count = 0;
  #length = 0;
  /** One bit, by the length of its name, a field of `SINGLE` that has been there. */
  #seen = 0;

  see(name: string, value: string): void {
    this.#count += 1;
    this.#length += name.length + value.length;
    if (this.#found !== undefined || this.#length > MOST_FIELDS_LENGTH) return;
    if (value.length > MOST_VALUE_LENGTH) this.#found = finding("headers_too_large", this.#where(name));
    else if (hasBreak(value)) this.#found = finding("control_characters", this.#where(name));
    else if (this.#isDuplicate(name, value)) this.#found = finding("duplicate_header", this.#where(name));
  }

  /** What all of them are together says more than what one of them is. */
  end(): Finding | undefined {
    if (this.#count > MOST_FIELDS) return finding("headers_too_large", "number of header fields");
    if (this.#length > MOST_FIELDS_LENGTH) return finding("headers_too_large", "header fields together");
    return this.#found;
  }

  #isDuplicate(name: string, value: string): boolean {
    const field = singleByLength[name.length];
    if (field === undefined || (field.name !== name && field.name !== name.toLowerCase())) return false;
    const bit = 1 << name.length;
    const wasThere = (this.#seen & bit) !== 0;
    this.#seen |= bit;
    return wasThere || holdsSeveral(field, value);
  }

  #where(name: string): string {
    return PLAIN_NAME.test(name) ? `header field ${name}` : `header field ${this.#count}`;
  }
}

export const screenHeaders = (headers: HeaderFields): Finding | undefined => {
  const screen = new FieldsScreen();
  if (Symbol.iterator in headers) {
    for (const [name, value] of headers) screen.see(name, value);
  } else {
    headers.forEach((value, name) => {
      screen.see(name, value);
    });
  }
  return screen.end();
};
