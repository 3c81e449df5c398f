/** Every image is pinned: the same manifest starts the same program tomorrow. */
import type { Check } from "../support/check.ts";
import { imageFault } from "../support/image.ts";
import { podsOf } from "../support/pods.ts";

export const images: Check = {
  name: "images",
  find: (manifests) =>
    podsOf(manifests).flatMap(({ title, containers }) =>
      containers.flatMap(({ image = "" }) => {
        const fault = imageFault(image);
        return fault === undefined ? [] : [`${title}: the image ${image} ${fault}`];
      }),
    ),
};
