/** Every selector selects pods that are there. */
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { DaemonSet } from "kubernetes-models/apps/v1/DaemonSet";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Service } from "kubernetes-models/v1/Service";
import type { Check } from "../support/check.ts";
import { type Manifests, titleOf } from "../support/manifests.ts";
import { type Pods, podsOf } from "../support/pods.ts";
import { matches } from "../support/selector.ts";

/** Selectors of an object, each with the place where it stands. */
type Selection = { place: string; selector: Parameters<typeof matches>[0] };

const selectionsOfPods = ({ title, spec }: Pods): Selection[] => [
  ...(spec.topologySpreadConstraints ?? []).map(({ labelSelector }) => ({
    place: `${title}: topologySpreadConstraints`,
    selector: labelSelector,
  })),
  ...(spec.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
    ({ podAffinityTerm }) => ({
      place: `${title}: podAntiAffinity`,
      selector: podAffinityTerm.labelSelector,
    }),
  ),
];

const selectionsOfOthers = (manifests: Manifests): Selection[] => [
  ...manifests.of(Service).map((service) => ({
    place: titleOf(service),
    // Without a selector a Service has nobody behind it.
    selector: service.spec?.selector && { matchLabels: service.spec.selector },
  })),
  ...manifests
    .of(PodDisruptionBudget)
    .map((budget) => ({ place: titleOf(budget), selector: budget.spec?.selector })),
  ...manifests
    .of(NetworkPolicy)
    .map((policy) => ({ place: titleOf(policy), selector: policy.spec?.podSelector })),
  ...manifests
    .of(PodMonitor)
    .map((monitor) => ({ place: titleOf(monitor), selector: monitor.spec.selector })),
];

export const selectors: Check = {
  name: "selectors",
  find: (manifests) => {
    const pods = podsOf(manifests);
    const own = [...manifests.of(Deployment), ...manifests.of(StatefulSet), ...manifests.of(DaemonSet)]
      .filter(({ spec }) => !matches(spec?.selector, spec?.template.metadata?.labels ?? {}))
      .map((object) => `${titleOf(object)}: its selector does not match its own pods`);
    const none = [...selectionsOfOthers(manifests), ...pods.flatMap(selectionsOfPods)]
      .filter(({ selector }) => !pods.some(({ labels }) => matches(selector, labels)))
      .map(({ place }) => `${place}: its selector matches nothing`);
    return [...own, ...none];
  },
};
