/** One node, or one zone, that is lost does not take every pod with it. */
import { fewestReplicas } from "../support/autoscaling.ts";
import type { Check } from "../support/check.ts";
import { ORIGIN, podsOf } from "../support/pods.ts";

const ZONE = "topology.kubernetes.io/zone";
const HOST = "kubernetes.io/hostname";

export const spread: Check = (manifests) =>
  podsOf(manifests)
    .filter(({ kind, name }) => kind === "Deployment" && fewestReplicas(manifests, name) > 1)
    .flatMap(({ title, name, spec }) => {
      const keys = [
        ...(spec.topologySpreadConstraints ?? []).map(({ topologyKey }) => topologyKey),
        ...(spec.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
          ({ podAffinityTerm }) => podAffinityTerm.topologyKey,
        ),
      ];
      const perRevision = (spec.topologySpreadConstraints ?? [])
        .filter(({ topologyKey }) => topologyKey === ZONE)
        .every(({ matchLabelKeys = [] }) => matchLabelKeys.includes("pod-template-hash"));
      return [
        ...(keys.includes(HOST) ? [] : [`${title}: all its pods may be on one node`]),
        ...(name !== ORIGIN || keys.includes(ZONE) ? [] : [`${title}: all its pods may be in one zone`]),
        ...(perRevision ? [] : [`${title}: pods of the last revision count while an update rolls`]),
      ];
    });
