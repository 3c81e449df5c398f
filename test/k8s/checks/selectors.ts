/** Every selector matches existing pods. */
import {
  type IPodMonitor,
  PodMonitor,
} from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Service } from "kubernetes-models/v1/Service";
import { type Check, type Manifests, titleOf } from "../support/manifests.ts";
import { type Pods, podsOf, workloadsOf } from "../support/pods.ts";
import { matches } from "../support/selector.ts";

/** A selector, and its place. */
interface Selection {
  readonly place: string;
  readonly selector: Parameters<typeof matches>[0];
  /** Where the pods are. @default anywhere */
  readonly namespaces?: readonly (string | undefined)[];
}

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
    // A Service without a selector has no pods.
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
    .filter(({ spec }) => !mayWait(manifests, spec.selector))
    .map((monitor) => ({
      place: titleOf(monitor),
      selector: monitor.spec.selector,
      namespaces: monitor.spec.namespaceSelector?.matchNames ?? [monitor.metadata?.namespace],
    })),
];

const NAME = "app.kubernetes.io/name";

/** The names of components' pods. */
const OF_COMPONENTS: readonly string[] = ["cloudflared", "edge-collector", "log-collector", "otel-collector"];

/** A PodMonitor of a component that is not included scrapes nothing, which is no fault. */
const mayWait = (manifests: Manifests, { matchLabels = {} }: IPodMonitor["spec"]["selector"]): boolean => {
  const name = matchLabels[NAME] ?? "";
  return (
    Object.keys(matchLabels).length === 1 &&
    OF_COMPONENTS.includes(name) &&
    !podsOf(manifests).some((pods) => pods.name === name)
  );
};

export const selectors: Check = (manifests) => {
  const pods = podsOf(manifests);
  const own = workloadsOf(manifests)
    .filter(({ spec }) => !matches(spec?.selector, spec?.template.metadata?.labels ?? {}))
    .map((object) => `${titleOf(object)}: its selector does not match its own pods`);
  const none = [...selectionsOfOthers(manifests), ...pods.flatMap(selectionsOfPods)]
    .filter(
      ({ selector, namespaces }) =>
        !pods.some(
          ({ labels, namespace }) =>
            matches(selector, labels) && (namespaces === undefined || namespaces.includes(namespace)),
        ),
    )
    .map(({ place }) => `${place}: its selector matches nothing`);
  return [...own, ...none];
};
