/** Everything is in one namespace, but for what brings its own; namespaces say how strict they are. */
import { Namespace } from "kubernetes-models/v1/Namespace";
import type { Check } from "../support/check.ts";
import { enforcedLevel, isPrivileged, titleOf } from "../support/manifests.ts";

export const namespaces: Check = (manifests) => {
  const homes = new Set(
    manifests.all
      .filter(({ kind, metadata }) => kind !== "Namespace" && !isPrivileged(manifests, metadata.namespace))
      .map(({ metadata }) => metadata.namespace),
  );
  return [
    ...(homes.size === 1 ? [] : [`what belongs together is in ${[...homes].map(String).join(", ")}`]),
    ...manifests
      .of(Namespace)
      .filter((namespace) => !["restricted", "privileged"].includes(enforcedLevel(namespace) ?? ""))
      .map((namespace) => `${titleOf(namespace)}: it does not say which pods it takes`),
  ];
};
