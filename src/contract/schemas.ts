/** Building blocks of schemas that any API needs. */
import * as z from "zod/mini";

/** A UUID (RFC 9562). */
export const uuid = () => z.uuid();

/** A whole number in a query or path, given in decimal digits. */
export const wholeNumber = (bounds: { min: number; max: number }) =>
  z.pipe(
    z.string().check(z.regex(/^\d{1,15}$/, "Must be a whole number in decimal digits")),
    z.pipe(z.transform(Number), z.int().check(z.minimum(bounds.min), z.maximum(bounds.max))),
  );

/** A whole number within bounds, in a body. */
export const integer = (min: number, max: number) => z.int().check(z.minimum(min), z.maximum(max));

/** Text within a length in UTF-16 units, without NUL, which PostgreSQL cannot store. */
export const text = (min: number, max: number) =>
  z.string().check(z.minLength(min), z.maxLength(max), z.regex(/^[^\0]*$/, "Must not hold NUL"));

/** An instant, RFC 3339 in UTC. */
export const instant = () => z.iso.datetime();

/** One page of a list, with the cursor of the next one; null on the last. */
export const page = <Item extends z.ZodMiniObject>(item: Item) =>
  z.strictObject({ items: z.array(item), nextCursor: z.nullable(z.string()) });

/** The query of a paged list. The cursor is the previous page's `nextCursor`, opaque to clients. */
export const paging = {
  cursor: z.optional(
    z.string().check(z.regex(/^[A-Za-z0-9_-]{22,300}$/, "Must be a nextCursor of this list")),
  ),
  limit: z._default(wholeNumber({ min: 1, max: 100 }), 20),
};

/** The Idempotency-Key field (draft-ietf-httpapi-idempotency-key-header-07 §2.1). The draft's quotes may be left out. */
export const idempotencyKey = () =>
  z
    .string()
    .check(
      z.regex(
        /^(?:"[\x21\x23-\x5b\x5d-\x7e]{1,255}"|[\x21\x23-\x5b\x5d-\x7e]{1,255})$/,
        "Must be 1 to 255 visible ASCII characters without quotes inside and backslashes, such as a UUID",
      ),
    );

/** Names a schema, so that the OpenAPI document refers to it instead of repeating it. */
export const named = <S extends z.ZodMiniType>(
  id: string,
  schema: S,
  meta: { description?: string; examples?: unknown[] } = {},
): S => {
  z.globalRegistry.add(schema, { id, ...meta });
  return schema;
};
