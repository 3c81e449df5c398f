/** Every image is pinned: the same manifest starts the same program tomorrow. */
import type { Check } from "../support/check.ts";
import { imageFault } from "../support/image.ts";
import { podsOf } from "../support/pods.ts";

export const images: Check = (manifests) =>
  podsOf(manifests).flatMap(({ title, containers }) =>
    containers
      .map(({ image = "" }) => ({ image, fault: imageFault(image) }))
      .filter(({ fault }) => fault !== undefined)
      .map(({ image, fault }) => `${title}: the image ${image} ${fault}`),
  );
