/** The heap of the origin fits into the memory of its container, with room for what is outside the heap. */
import { readFinalStage } from "../../container/support/dockerfile.ts";
import type { Check } from "../support/check.ts";
import { environmentOf } from "../support/environment.ts";
import { ORIGIN, podsOf } from "../support/pods.ts";
import { quantity } from "../support/quantity.ts";

/** Young generation, code, buffers and sockets have the rest. */
const MAX_SHARE = 0.75;
const MEBIBYTE = 1024 ** 2;

/** The share of the limit; undefined where nothing caps the heap. */
const heapShare = (options: string, limitBytes: number): number | undefined => {
  const [, percent] = /--max-old-space-size-percentage=(\d+)/.exec(options) ?? [];
  const [, mebibytes] = /--max-old-space-size=(\d+)/.exec(options) ?? [];
  if (mebibytes !== undefined) return (Number(mebibytes) * MEBIBYTE) / limitBytes;
  return percent === undefined ? undefined : Number(percent) / 100;
};

export const heap: Check = {
  name: "heap",
  find: (manifests) =>
    podsOf(manifests).flatMap(({ title, spec }) =>
      spec.containers
        .filter(({ name }) => name === ORIGIN)
        .flatMap((container) => {
          const options = // What the image sets where the pod sets nothing.
            environmentOf(manifests, container)["NODE_OPTIONS"] ??
            readFinalStage().environment["NODE_OPTIONS"] ??
            "";
          const limit = container.resources?.limits?.["memory"];
          const share = heapShare(options, quantity(limit));
          if (share === undefined) return [`${title}: nothing caps its heap`];
          return share <= MAX_SHARE
            ? []
            : [`${title}: a heap of ${Math.round(share * 100)} % of ${limit} leaves no room beside it`];
        }),
    ),
};
