/** The types of configuration values, for both tiers: how each is parsed from text, described and masked. */
import * as z from "zod/mini";

export interface ValueDetails {
  /** Completes "must be", such as "true or false". */
  readonly expected: string;
  /** Error messages never quote the value. */
  readonly isSecret?: boolean;
  /** Masks the secret parts of the text for the printout. @default nothing is masked */
  readonly mask?: (text: string) => string;
}

/** Of each type. */
export const details = z.registry<ValueDetails>();

export const MASK = "***";

/**
 * Masks a URL's user and query: PostgreSQL's may hold the password. Everything up to the last `@` counts as
 * the user, since a password may not be percent-encoded.
 */
export const maskUrl = (text: string): string =>
  text.replace(/\/\/.*@/s, `//${MASK}@`).replace(/\?.*/s, `?${MASK}`);

/** @param parse returns undefined for a wrong value */
export const parsed = <T>(
  expected: string,
  parse: (text: string) => T | undefined,
  options: Omit<ValueDetails, "expected"> = {},
) => {
  const message = `must be ${expected}`;
  const read = z.transform((text: string, { issues }): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    issues.push({ code: "custom", message, input: text });
    return z.NEVER;
  });
  return z.pipe(z.string(message), read).register(details, { expected, ...options });
};

export const matching = (expected: string, pattern: RegExp, options?: Omit<ValueDetails, "expected">) =>
  parsed(expected, (text) => (pattern.test(text) ? text : undefined), options);

const LINE = "text on one line that is not empty";
export const line = matching(LINE, /^\P{Cc}+$/u);
export const secretLine = matching(LINE, /^\P{Cc}+$/u, { isSecret: true, mask: () => MASK });

export const wholeNumber = (min: number, max: number) =>
  parsed(`a whole number within ${min} and ${max}`, (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  });

/** @returns NaN for anything but an unsigned decimal number */
export const parseDecimal = (text: string): number =>
  /^(\d{1,15}(\.\d{0,15})?|\.\d{1,15})(e-?\d{1,3})?$/i.test(text) ? Number(text) : Number.NaN;

export const fraction = parsed("a number within 0 and 1, such as 0.1", (text) => {
  const value = parseDecimal(text);
  return value <= 1 ? value : undefined;
});

export const oneOf = <const Word extends string>(...words: readonly Word[]) =>
  parsed(`one of ${words.join(", ")}`, (text) => words.find((word) => word === text.toLowerCase()));

/** @returns undefined unless the text is an absolute URL without white space, whose user and password can be decoded */
export const parseUrl = (text: string): URL | undefined => {
  if (/\s/.test(text) || !text.includes("://") || !URL.canParse(text)) return undefined;
  const parsedUrl = new URL(text);
  try {
    decodeURIComponent(parsedUrl.username + parsedUrl.password);
    return parsedUrl;
  } catch {
    return undefined;
  }
};

/** `fetch` refuses a URL with a user or a password. */
export const isFetchable = ({ protocol, username, password }: URL): boolean =>
  /^https?:$/.test(protocol) && username === "" && password === "";

export const httpUrl = (isSecret = false) =>
  parsed(
    "a URL that begins with http:// or https://, without a user or password",
    (text) => {
      const parsedUrl = parseUrl(text);
      return parsedUrl !== undefined && isFetchable(parsedUrl) ? text : undefined;
    },
    { isSecret, mask: maskUrl },
  );

/** @param parse reads one part of the list; undefined for a wrong one */
export const list = <T>(expected: string, parse: (part: string) => T | undefined) =>
  parsed(`${expected}, with commas between them`, (text): readonly T[] | undefined => {
    const parts = text.split(",").map((part) => parse(part.trim()));
    return parts.every((part) => part !== undefined) ? parts : undefined;
  });

/**
 * A number or a list that OpenTelemetry defines: if it is wrong, it counts as not set, with a warning (OpenTelemetry specification,
 * "Environment Variable Specification", "Parsing").
 */
const LENIENT: readonly unknown[] = [
  "OTEL_TRACES_SAMPLER_ARG",
  "OTEL_METRIC_EXPORT_INTERVAL",
  "OTEL_RESOURCE_ATTRIBUTES",
];
export const isLenient = (variable: unknown): boolean => LENIENT.includes(variable);

/** @param value the default, as text or as a number that is written like one */
export const withDefault = <T>(type: z.ZodMiniType<T, string>, value: string | number) =>
  z.prefault(type, String(value));

export { object, optional } from "zod/mini";

/** Numbers, booleans and lists of `wrangler.toml`, as text. Other values remain. */
const textOf = (value: unknown): unknown => {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (!Array.isArray(value)) return value;
  const parts = value.map(textOf);
  return parts.every((part) => typeof part === "string") ? parts.join(",") : value;
};

/** Without white space around the value; an empty variable counts as not set, as in `${NAME:-default}`. */
export const readVariable = (environment: Readonly<Record<string, unknown>>, name: string): unknown => {
  const value = textOf(Object.hasOwn(environment, name) ? environment[name] : undefined);
  return typeof value === "string" ? value.trim() || undefined : value;
};

export type Variables = Readonly<Record<string, z.ZodMiniType>>;

export type ValuesOf<All extends Variables> = z.output<z.ZodMiniObject<All>>;

export type ConfigurationReading<T> =
  | {
      readonly ok: true;
      readonly value: T /** Of variables that were ignored. */;
      readonly warnings: readonly string[];
    }
  | {
      readonly ok: false;
      /** Each names a variable, and never contains a value. */
      readonly faults: readonly string[];
      readonly message: string;
    };

/**
 * Reads variables, and reports all faults at once.
 *
 * @param check finds faults between valid variables, as sentences
 */
export const readConfiguration = <All extends Variables>(
  variables: All,
  environment: Readonly<Record<string, unknown>>,
  check: (values: ValuesOf<All>) => readonly string[] = () => [],
): ConfigurationReading<ValuesOf<All>> => {
  const names = Object.keys(variables);
  const written = Object.fromEntries(names.map((name) => [name, readVariable(environment, name)]));
  const schema = z.object(variables);
  const warnings: string[] = [];
  for (const { path, message } of z.safeParse(schema, written).error?.issues ?? []) {
    const [name = ""] = path;
    if (!isLenient(name)) continue;
    written[String(name)] = undefined;
    warnings.push(`${String(name)} ${message}: ignored`);
  }
  const result = z.safeParse(schema, written);
  const faults = result.success
    ? check(result.data)
    : result.error.issues.map(({ path: [name = ""], message }) => {
        const isMissing = written[String(name)] === undefined;
        return `${String(name)} ${isMissing ? "is missing" : message}`;
      });
  return result.success && faults.length === 0
    ? { ok: true, value: result.data, warnings }
    : { ok: false, faults, message: `configuration: ${faults.join("; ")}` };
};
