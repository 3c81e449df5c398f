/** Schemas that any API needs. */
import * as z from "zod/mini";

/** A UUID (RFC 9562), which reaches the handler in lower case. */
export const uuid = () => z.uuid().check(z.toLowerCase());

/** A whole number in a query or path, in decimal digits. */
export const wholeNumber = (bounds: { min: number; max: number }) =>
  z.pipe(
    z.string().check(z.regex(/^\d{1,15}$/, "Must be a whole number in decimal digits")),
    z.pipe(z.transform(Number), z.int().check(z.minimum(bounds.min), z.maximum(bounds.max))),
  );

/** A whole number within bounds, in a body. */
export const integer = (min: number, max: number) => z.int().check(z.minimum(min), z.maximum(max));

// biome-ignore lint/suspicious/noControlCharactersInRegex: `\0`, which it allows, is not portable to OpenAPI clients.
const NO_NUL = /^[^\u0000]*$/;

/** Text without NUL, which PostgreSQL cannot store. @param min, max characters (code points) */
export const text = (min: number, max: number) =>
  z.string().check(z.minLength(min), z.maxLength(max), z.regex(NO_NUL, "Must not contain NUL"));

// biome-ignore lint/suspicious/noControlCharactersInRegex: portable to OpenAPI clients, unlike `\p{Cc}`.
export const ONE_LINE = /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$/;

/** Text on one line, without control characters. @param min, max UTF-16 code units */
export const line = (min: number, max: number) =>
  z
    .string()
    .check(
      z.minLength(min),
      z.maxLength(max),
      z.regex(ONE_LINE, "Must not contain control characters or line breaks"),
    );

/** An instant, RFC 3339 in UTC. */
export const instant = () => z.iso.datetime();

/** A page of a list, with the cursor of the next one, null on the last. */
export const page = <Item extends z.ZodMiniObject>(item: Item) =>
  z.strictObject({ items: z.array(item), nextCursor: z.nullable(z.string()) });

/** The query of a paged list. `cursor` is the previous page's `nextCursor`, opaque to clients. */
export const paging = {
  cursor: z.optional(
    z
      .string()
      .check(
        z.regex(/^[A-Za-z0-9_-]{22,300}$/, "Must be a nextCursor of this list"),
        z.meta({ description: "The `nextCursor` of a page of the same list, with the same filter" }),
      ),
  ),
  limit: z._default(wholeNumber({ min: 1, max: 100 }), 20),
};

/** The Idempotency-Key field (draft-ietf-httpapi-idempotency-key-header-07 §2.1); the quotes are optional. */
export const idempotencyKey = () =>
  z
    .string()
    .check(
      z.regex(
        /^(?:"[\x21\x23-\x5b\x5d-\x7e]{1,255}"|[\x21\x23-\x5b\x5d-\x7e]{1,255})$/,
        "Must be 1 to 255 visible ASCII characters without quotes and backslashes, such as a UUID",
      ),
    );

/** Names a schema, so that the OpenAPI document references it instead of repeating it. */
export const named = <S extends z.ZodMiniType>(
  id: string,
  schema: S,
  meta: { description?: string; examples?: unknown[]; minProperties?: number } = {},
): S => {
  z.globalRegistry.add(schema, { id, ...meta });
  return schema;
};
