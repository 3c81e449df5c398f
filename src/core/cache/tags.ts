/** The tags of a cached answer: names by which a write makes it old. */
import type { Route } from "../../contract/route.ts";

/**
 * Tags are compared in lower case: where two things differ by case alone, a write to one makes the other old too,
 * which costs a look-up and never serves what is old.
 */
const normal = (tag: string): string => tag.toLowerCase();

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
};

/** Makes a route's tags of a path that fits it: `products/:id` of `/v1/products/7` is `products/7`. */
export const tagsFor = ({ path: pattern, policy }: Route): ((path: string) => readonly string[]) => {
  const tags = (policy.cache?.tags ?? []).map(normal);
  if (!tags.some((tag) => tag.includes(":"))) return () => tags;
  const names = pattern.split("/").map((segment) => (segment.startsWith(":") ? normal(segment) : undefined));
  return (path) => {
    const segments = path.split("/");
    const values = new Map(
      names.flatMap((name, index) =>
        name === undefined ? [] : [[name, normal(decoded(segments[index] ?? ""))]],
      ),
    );
    return tags.map((tag) =>
      tag
        .split("/")
        .map((part) => (part.startsWith(":") ? (values.get(part) ?? part) : part))
        .join("/"),
    );
  };
};

/** Visible ASCII without a comma, so that tags can stand in a list in a header field. */
const TAG = /^[\x21-\x2b\x2d-\x7e]{1,200}$/;

/**
 * What a write has made old, as `tagsFor` writes tags.
 *
 * @throws TypeError for what cannot be a tag
 */
export const writtenTag = (tag: string): string => {
  if (!TAG.test(tag)) throw new TypeError(`not a tag: ${JSON.stringify(tag.slice(0, 50))}`);
  return normal(tag);
};

/** As one header field between the tiers. */
export const writeTags = (tags: Iterable<string>): string => [...tags].join(", ");

export const readTags = (field: string): string[] =>
  field
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => TAG.test(tag));
