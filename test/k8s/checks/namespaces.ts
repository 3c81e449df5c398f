/** Everything is in one namespace, but for what brings its own; namespaces say how strict they are. */
import { Namespace } from "kubernetes-models/v1/Namespace";
import type { Check } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";

const LEVEL = "pod-security.kubernetes.io/enforce";

export const namespaces: Check = {
  name: "namespaces",
  find: (manifests) => {
    const made = manifests.of(Namespace);
    const privileged = made
      .filter(({ metadata }) => metadata?.labels?.[LEVEL] === "privileged")
      .map(({ metadata }) => metadata?.name);
    const homes = new Set(
      manifests.all
        .filter(({ kind, metadata }) => kind !== "Namespace" && !privileged.includes(metadata.namespace))
        .map(({ metadata }) => metadata.namespace),
    );
    return [
      ...(homes.size === 1 ? [] : [`what belongs together is in ${[...homes].map(String).join(", ")}`]),
      ...made
        .filter(({ metadata }) => !["restricted", "privileged"].includes(metadata?.labels?.[LEVEL] ?? ""))
        .map((namespace) => `${titleOf(namespace)}: it does not say which pods it takes`),
    ];
  },
};
