/** Whether an image is pinned: the same name is the same program tomorrow. */
const MOVING = new Set(["latest", "main", "master", "nightly", "edge", "stable"]);

/** @returns what is wrong with the image's name; undefined where it is pinned */
export const imageFault = (image: string): string | undefined => {
  if (/@sha256:[0-9a-f]{64}$/.test(image)) return undefined;
  const [, tag] = /:([^:/]+)$/.exec(image) ?? [];
  if (tag === undefined) return "has no tag";
  return MOVING.has(tag) || /^v?\d+$/.test(tag) ? `has the tag ${tag}, which moves` : undefined;
};
