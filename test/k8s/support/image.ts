/** Whether an image is pinned: the same name is the same program tomorrow. */
/** A version with at least two numbers in it, or the name of a build of one's own. */
const PINNED = /^v?\d+\.\d+|^dev$/;

/** @returns what is wrong with the image's name; undefined where it is pinned */
export const imageFault = (image: string): string | undefined => {
  if (/@sha256:[0-9a-f]{64}$/.test(image)) return undefined;
  const [, tag] = /:([^:/]+)$/.exec(image) ?? [];
  if (tag === undefined) return "has no tag";
  return PINNED.test(tag) ? undefined : `has the tag ${tag}, which moves`;
};
