/** Images are pinned. */

/** A version with at least two numbers, or a local build. */
const PINNED = /^v?\d+\.\d+|^dev$/;

/** @returns the fault of an image that is not pinned; undefined if it is */
export const imageFault = (image: string): string | undefined => {
  if (/@sha256:[0-9a-f]{64}$/.test(image)) return undefined;
  const [, tag] = /:([^:/]+)$/.exec(image) ?? [];
  if (tag === undefined) return "has no tag";
  return PINNED.test(tag) ? undefined : `has the moving tag ${tag}`;
};
