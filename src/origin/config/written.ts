/** What stands at a key. */
import { isAlias, isMap, isScalar, isSeq } from "yaml";

export type Written =
  | { readonly shape: "text"; readonly text: string }
  | { readonly shape: "list"; readonly texts: readonly string[] }
  | { readonly shape: "other"; readonly what: string };

/** Finds what an alias stands for. */
export type Resolve = (node: unknown) => unknown;

/**
 * A scalar of any type counts as its text, so that `8080` and `"8080"`, and `1.0` as a version, are what was
 * written; nothing at all (`key:`) counts as not set, and gives undefined.
 */
export const writtenAt = (node: unknown, resolve: Resolve): Written | undefined => {
  const found = resolve(node);
  if (found === null || found === undefined) return undefined;
  if (isScalar(found)) {
    const { value, source } = found;
    if (value === null) return undefined;
    return { shape: "text", text: typeof value === "string" ? value.trim() : (source ?? String(value)) };
  }
  if (isMap(found)) return { shape: "other", what: "a section" };
  if (isAlias(found)) return { shape: "other", what: "an alias of something that is not there" };
  if (!isSeq(found)) return { shape: "other", what: "something else" };
  const items = found.items.map((item) => resolve(item));
  const texts = items.filter((item) => isScalar(item)).map((item) => writtenAt(item, resolve));
  const isFlat = items.length > 0 && texts.length === items.length;
  const lines = texts.flatMap((each) => (each?.shape === "text" ? [each.text] : []));
  return isFlat && lines.length === items.length
    ? { shape: "list", texts: lines }
    : { shape: "other", what: items.length === 0 ? "an empty list" : "a list of other things" };
};

/** As the environment would have it; undefined where the key does not take that shape. */
export const textOf = (written: Written, isList: boolean): string | undefined => {
  if (written.shape === "text") return written.text;
  return written.shape === "list" && isList ? written.texts.join(",") : undefined;
};

/** What it is, for people, where it is not text. */
export const shapeOf = (written: Written): string => (written.shape === "other" ? written.what : "a list");
