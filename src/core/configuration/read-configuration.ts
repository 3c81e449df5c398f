/** Reads a tier's configuration from its environment, and says everything that is wrong with it at once. */
import * as z from "zod/mini";
import { parseSigningKeys, type SigningKey } from "../signature/signing-keys.ts";

export type ConfigurationReading<T> =
  | { readonly ok: true; readonly value: T }
  /** One message that names every wrong key, never a value. */
  | { readonly ok: false; readonly message: string };

/** An empty variable counts as one that is not set, as in the shell's `${NAME:-default}`. */
const withoutEmpty = (environment: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));

export const readConfiguration = <S extends z.ZodMiniObject>(
  schema: S,
  environment: Readonly<Record<string, unknown>>,
): ConfigurationReading<z.output<S>> => {
  const result = schema.safeParse(withoutEmpty(environment));
  if (result.success) return { ok: true, value: result.data };
  const wrong = result.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
  return { ok: false, message: `configuration: ${[...new Set(wrong)].join("; ")}` };
};

const missingOr = (message: string) => ({
  error: (issue: { input?: unknown }) => (issue.input === undefined ? "is missing" : message),
});

/** An absolute URL of one of the schemes, such as `["https", "http"]`. */
export const urlVariable = (schemes: readonly string[]) => {
  const message = `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`;
  const isOfScheme = (text: string): boolean =>
    URL.canParse(text) && schemes.some((scheme) => text.toLowerCase().startsWith(`${scheme}://`));
  return z.string(missingOr(message)).check(z.refine(isOfScheme, message));
};

/** A whole number within bounds. */
export const numberVariable = (min: number, max: number) => {
  const message = `must be a whole number within ${min} and ${max}`;
  return z.pipe(
    z.string(missingOr(message)).check(z.regex(/^\d{1,15}$/, message)),
    z.pipe(z.transform(Number), z.number().check(z.minimum(min, message), z.maximum(max, message))),
  );
};

/** Some text that is not empty. */
export const textVariable = () => z.string(missingOr("must be text")).check(z.minLength(1, "is empty"));

/** One of a few words. */
export const wordVariable = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z.enum(words, missingOr(`must be one of ${words.join(", ")}`));

/** A list with commas, each part checked by `parse`, which returns undefined for what it does not take. */
export const listVariable = <T>(parse: (part: string) => T | undefined, what: string) =>
  z.pipe(
    z.string(missingOr(`must be ${what}, with commas between them`)),
    z.transform((text: string, context): readonly T[] => {
      const parts = text.split(",").map((part) => part.trim());
      const parsed = parts.map((part) => parse(part)).filter((each) => each !== undefined);
      if (parsed.length !== parts.length) {
        context.issues.push({
          code: "custom",
          message: `must be ${what}, with commas between them`,
          input: text,
        });
      }
      return parsed;
    }),
  );

/** The keys between the tiers. */
export const signingKeysVariable = () =>
  z.pipe(
    z.string(missingOr("must be id:base64")),
    z.transform((text: string, context): readonly [SigningKey, ...SigningKey[]] => {
      const keys = parseSigningKeys(text);
      if (typeof keys !== "string") return keys;
      context.issues.push({ code: "custom", message: keys, input: text });
      return z.NEVER;
    }),
  );
