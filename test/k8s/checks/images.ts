/** Every image is pinned: the same manifest starts the same program tomorrow. */
import type { Check } from "../support/check.ts";
import { podsOf } from "../support/pods.ts";

const MOVING = new Set(["latest", "main", "master", "nightly", "edge", "stable"]);

const faultOf = (image: string): string | undefined => {
  if (/@sha256:[0-9a-f]{64}$/.test(image)) return undefined;
  const [, tag] = /:([^:/]+)$/.exec(image) ?? [];
  if (tag === undefined) return "has no tag";
  return MOVING.has(tag) || /^v?\d+$/.test(tag) ? `has the tag ${tag}, which moves` : undefined;
};

export const images: Check = {
  name: "images",
  find: (manifests) =>
    podsOf(manifests).flatMap(({ title, containers }) =>
      containers.flatMap(({ image = "" }) => {
        const fault = faultOf(image);
        return fault === undefined ? [] : [`${title}: the image ${image} ${fault}`];
      }),
    ),
};
