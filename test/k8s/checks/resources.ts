/** Checks of containers' resources. */
import { readFinalStage } from "../../container/support/dockerfile.ts";
import { environmentOf } from "../support/environment.ts";
import { type Check, faultsOf } from "../support/manifests.ts";
import { originContainer, type Pods, podsOf } from "../support/pods.ts";
import { quantity } from "../support/quantity.ts";

const KEYS = ["cpu", "memory", "ephemeral-storage"] as const;

const MEBIBYTE = 1024 ** 2;

/** The kubelet's default: five files of 10 MiB for each container. */
const LOG_BYTES = 50 * MEBIBYTE;

/** A pod that fills its volumes and logs is evicted if they exceed its limit. */
const diskFaults = ({ title, spec, containers }: Pods): string[] => {
  const sizes = (spec.volumes ?? []).flatMap(({ emptyDir }) =>
    emptyDir === undefined ? [] : [emptyDir.sizeLimit],
  );
  const used = sizes.reduce<number>((sum, size) => sum + quantity(size), LOG_BYTES * containers.length);
  const most = containers.reduce(
    (sum, { resources }) => sum + quantity(resources?.limits?.["ephemeral-storage"]),
    0,
  );
  return faultsOf(title, {
    "a volume on the node's disk has no sizeLimit": sizes.includes(undefined),
    [`its volumes and logs may need ${Math.ceil(used / MEBIBYTE)} MiB, more than the limit`]: used > most,
  });
};

/** Every container has requests and limits, of memory, which cannot be reclaimed, the same amount. */
export const limits: Check = (manifests) => [
  ...podsOf(manifests).flatMap(diskFaults),
  ...podsOf(manifests).flatMap(({ title, containers }) =>
    containers.flatMap(({ name, resources: { requests = {}, limits: most = {} } = {} }) => {
      const place = `${title}, ${name}`;
      const missing = [
        ...KEYS.filter((key) => requests[key] === undefined).map((key) => `request of ${key}`),
        ...KEYS.filter((key) => most[key] === undefined).map((key) => `limit of ${key}`),
      ];
      if (missing.length > 0) return missing.map((what) => `${place}: there is no ${what}`);
      return faultsOf(place, {
        [`the memory request (${requests["memory"]}) differs from the limit`]:
          quantity(requests["memory"]) !== quantity(most["memory"]),
        "the CPU request exceeds the limit": quantity(requests["cpu"]) > quantity(most["cpu"]),
      });
    }),
  ),
];

/** The rest is for the young generation, code, buffers and sockets. */
const MAX_HEAP_SHARE = 0.75;

/** The share of the limit; undefined without a cap. */
const heapShare = (options: string, limitBytes: number): number | undefined => {
  const [, percent] = /--max-old-space-size-percentage=(\d+)/.exec(options) ?? [];
  const [, mebibytes] = /--max-old-space-size=(\d+)/.exec(options) ?? [];
  if (mebibytes !== undefined) return (Number(mebibytes) * MEBIBYTE) / limitBytes;
  return percent === undefined ? undefined : Number(percent) / 100;
};

/** The origin's heap leaves room in its container's memory. */
export const heap: Check = (manifests) => {
  const container = originContainer(manifests);
  if (container === undefined) return [];
  const { NODE_OPTIONS: ofPod } = environmentOf(manifests, container);
  const { NODE_OPTIONS: ofImage = "" } = readFinalStage().environment;
  const limit = container.resources?.limits?.["memory"];
  const share = heapShare(ofPod ?? ofImage, quantity(limit));
  return faultsOf("the origin", {
    "the heap has no cap": share === undefined,
    [`a heap of ${Math.round((share ?? 0) * 100)} % of ${limit} leaves too little room`]:
      share !== undefined && !(share <= MAX_HEAP_SHARE),
  });
};
