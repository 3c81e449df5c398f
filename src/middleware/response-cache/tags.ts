/** The tags of a cached answer: names by which a write makes it old. */
import type { Policy } from "../../contract/policy.ts";

/** A longer tag is cut: what it then shares with others is made old with them. */
const MAX_LENGTH = 300;

/**
 * One form for what may be anything: visible ASCII without a comma, so that tags can stand in a list in a header field,
 * and lower case. Where two things differ by case alone, a write to one makes the other old too, which costs a look-up
 * and never serves what is old.
 */
const normal = (tag: string): string =>
  tag
    .toWellFormed()
    .toLowerCase()
    .replace(/[^\x21-\x2b\x2d-\x7e]/gu, encodeURIComponent)
    .toLowerCase()
    .slice(0, MAX_LENGTH);

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
};

/** Makes a route's tags of a path that fits it: `products/:id` of `/v1/products/7` is `products/7`. */
export const tagsFor = ({
  path: pattern,
  policy,
}: {
  readonly path: string;
  readonly policy: Policy;
}): ((path: string) => readonly string[]) => {
  const tags = (policy.cache?.tags ?? []).map(normal);
  if (!tags.some((tag) => tag.includes(":"))) return () => tags;
  const names = pattern.split("/").map((segment) => (segment.startsWith(":") ? normal(segment) : undefined));
  return (path) => {
    const segments = path.split("/");
    const values = new Map(
      names.flatMap((name, index) => (name === undefined ? [] : [[name, decoded(segments[index] ?? "")]])),
    );
    const filled = (tag: string): string =>
      tag
        .split("/")
        .map((part) => values.get(part) ?? part)
        .join("/");
    return tags.map((tag) => normal(filled(tag)));
  };
};

/**
 * What a write has made old, as `tagsFor` writes tags.
 *
 * @throws TypeError for an empty one
 */
export const writtenTag = (tag: string): string => {
  if (tag === "") throw new TypeError("a tag must not be empty");
  return normal(tag);
};

/** As one header field between the tiers. */
export const writeTags = (tags: Iterable<string>): string => [...tags].join(", ");

export const readTags = (field: string): string[] =>
  field
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "" && tag === normal(tag));
