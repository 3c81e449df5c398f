/** Reads a tier's configuration from its environment, and reports all faults at once. */

export type ConfigurationReading<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      /** Each names a wrong key, never a value. */
      readonly faults: readonly string[];
      /** All of them. */
      readonly message: string;
    };

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  /** Such as "must be text"; never a value. */
  | { readonly ok: false; readonly wrong: string };

/** How one variable is read. */
export interface Variable<T> {
  /** @param value undefined if it is not set */
  read(value: unknown): Parsed<T>;
}

export type Variables = Readonly<Record<string, Variable<unknown>>>;

export type ValuesOf<All extends Variables> = {
  readonly [Name in keyof All]: All[Name] extends Variable<infer Value> ? Value : never;
};

export const wrong = (message: string): { readonly ok: false; readonly wrong: string } => ({
  ok: false,
  wrong: message,
});

export const right = <T>(value: T): Parsed<T> => ({ ok: true, value });

/** @param message also for values that are not text */
export const variable = <T>(message: string, parse: (text: string) => Parsed<T>): Variable<T> => ({
  read: (value) => {
    if (value === undefined) return wrong("is missing");
    return typeof value === "string" ? parse(value) : wrong(message);
  },
});

export const withDefault = <T>({ read }: Variable<T>, fallback: T): Variable<T> => ({
  read: (value) => (value === undefined ? right(fallback) : read(value)),
});

export const optional = <T>(variable: Variable<T>): Variable<T | undefined> =>
  withDefault<T | undefined>(variable, undefined);

/** An empty variable counts as one that is not set, as in the shell's `${NAME:-default}`. */
const presentValue = (environment: Readonly<Record<string, unknown>>, name: string): unknown => {
  const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
  return value === "" ? undefined : value;
};

/** @param check finds faults between valid variables, as sentences */
export const readConfiguration = <All extends Variables>(
  variables: All,
  environment: Readonly<Record<string, unknown>>,
  check: (values: ValuesOf<All>) => readonly string[] = () => [],
): ConfigurationReading<ValuesOf<All>> => {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, { read }] of Object.entries(variables)) {
    const parsed = read(presentValue(environment, name));
    if (parsed.ok) values[name] = parsed.value;
    else faults.push(`${name} ${parsed.wrong}`);
  }
  // Without faults, each has the type of its variable.
  const value = values as ValuesOf<All>;
  if (faults.length === 0) faults.push(...check(value));
  return faults.length === 0
    ? { ok: true, value }
    : { ok: false, faults, message: `configuration: ${faults.join("; ")}` };
};

/** @param read returns undefined for invalid text */
export const readVariable = <T>(read: (text: string) => T | undefined, message: string): Variable<T> =>
  variable(message, (text) => {
    const value = read(text);
    return value === undefined ? wrong(message) : right(value);
  });

export const textThat = (holds: (text: string) => boolean, message: string): Variable<string> =>
  readVariable((text) => (holds(text) ? text : undefined), message);

/** Any text that is not empty. */
export const textVariable = (): Variable<string> => textThat(() => true, "must be text");

/** An absolute URL of one of the schemes, such as `["https", "http"]`. */
export const urlVariable = (schemes: readonly string[]): Variable<string> =>
  textThat(
    (text) => URL.canParse(text) && schemes.some((scheme) => text.toLowerCase().startsWith(`${scheme}://`)),
    `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`,
  );

const numberThat = (form: RegExp, min: number, max: number, message: string): Variable<number> =>
  readVariable((text) => {
    const value = form.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  }, message);

/** A number within 0 and 1. */
export const shareVariable = (): Variable<number> =>
  numberThat(/^(?:\d{1,9}(?:\.\d{0,15})?|\.\d{1,15})$/, 0, 1, "must be a number within 0 and 1, such as 0.1");

/** A whole number within bounds. */
export const numberVariable = (min: number, max: number): Variable<number> =>
  numberThat(/^\d{1,15}$/, min, max, `must be a whole number within ${min} and ${max}`);

export const wordVariable = <const Words extends readonly [string, ...string[]]>(
  words: Words,
): Variable<Words[number]> =>
  readVariable((text) => words.find((each) => each === text), `must be one of ${words.join(", ")}`);

/** Separated by commas. @param parse returns undefined for an invalid part */
export const listVariable = <T>(
  parse: (part: string) => T | undefined,
  what: string,
): Variable<readonly T[]> =>
  readVariable((text) => {
    const parts = text.split(",");
    const parsed = parts.map((part) => parse(part.trim())).filter((each) => each !== undefined);
    return parsed.length === parts.length ? parsed : undefined;
  }, `must be ${what}, with commas between them`);
