/** The heap of the origin fits into the memory of its container, with room for what is outside the heap. */
import { readFinalStage } from "../../container/support/dockerfile.ts";
import { type Check, faultsOf } from "../support/check.ts";
import { environmentOf } from "../support/environment.ts";
import { originContainer } from "../support/pods.ts";
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

export const heap: Check = (manifests) => {
  const container = originContainer(manifests);
  if (container === undefined) return [];
  const { NODE_OPTIONS: ofPod } = environmentOf(manifests, container);
  const { NODE_OPTIONS: ofImage = "" } = readFinalStage().environment;
  const limit = container.resources?.limits?.["memory"];
  const share = heapShare(ofPod ?? ofImage, quantity(limit));
  return faultsOf("the origin", {
    "nothing caps its heap": share === undefined,
    [`a heap of ${Math.round((share ?? 0) * 100)} % of ${limit} leaves no room beside it`]:
      share !== undefined && !(share <= MAX_SHARE),
  });
};
