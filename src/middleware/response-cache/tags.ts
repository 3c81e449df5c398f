/** The tags of a cached response: names by which writes invalidate it. */
import type { Policy } from "../../contract/policy.ts";

/** A longer tag is truncated, and then shared with others. */
const MAX_LENGTH = 300;

/**
 * The one form of a tag: visible ASCII without a comma, so that tags fit into a list in a header field, and lower case. If
 * two resources differ in case alone, a write to one invalidates both, which costs a fill and never serves an old response.
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

/** @returns the tags of a path of the route: `products/:id` of `/v1/products/7` is `products/7` */
export const tagsFor = ({
  path: pattern,
  policy,
}: {
  readonly path: string;
  readonly policy: Policy;
}): ((path: string) => readonly string[]) => {
  const tags = (policy.cache?.tags ?? []).map(normal);
  if (!tags.some((tag) => tag.includes(":"))) return () => tags;
  const names = pattern.split("/").map(normal);
  return (path) => {
    const segments = path.split("/");
    const filled = (part: string): string => {
      const index = part.startsWith(":") ? names.indexOf(part) : -1;
      return index < 0 ? part : decoded(segments[index] ?? "");
    };
    return tags.map((tag) => normal(tag.split("/").map(filled).join("/")));
  };
};

/**
 * The form of a tag that a handler invalidates.
 *
 * @throws TypeError for an empty one
 */
export const writtenTag = (tag: string): string => {
  if (tag === "") throw new TypeError("a tag must not be empty");
  return normal(tag);
};

/** As one header field, from the origin to the edge. */
export const writeTags = (tags: Iterable<string>): string => [...tags].join(", ");

export const readTags = (field: string): string[] =>
  field
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "" && tag === normal(tag));
