/** A node can be drained, and never takes several pods of one kind at once. */
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { fewestReplicas } from "../support/autoscaling.ts";
import type { Check } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";
import { matches } from "../support/selector.ts";

/** How many of so many pods may be evicted at once, as the API documents percentages: rounded up. */
const allowed = (
  { minAvailable, maxUnavailable }: { minAvailable?: string | number; maxUnavailable?: string | number },
  replicas: number,
): number => {
  const count = (value: string | number): number =>
    typeof value === "number" ? value : Math.ceil((replicas * Number.parseInt(value, 10)) / 100);
  if (maxUnavailable !== undefined) return count(maxUnavailable);
  return minAvailable === undefined ? 0 : replicas - count(minAvailable);
};

export const disruption: Check = {
  name: "disruption",
  find: (manifests) => {
    const budgets = manifests.of(PodDisruptionBudget);
    const perDeployment = manifests.of(Deployment).flatMap((deployment) => {
      const name = deployment.metadata?.name ?? "";
      const labels = deployment.spec?.template.metadata?.labels ?? {};
      const own = budgets.filter(({ spec }) => matches(spec?.selector, labels));
      const replicas = fewestReplicas(manifests, name);
      if (own.length === 0) return replicas > 1 ? [`${titleOf(deployment)}: no budget keeps its pods`] : [];
      if (own.length > 1) return [`${titleOf(deployment)}: with ${own.length} budgets no pod can be evicted`];
      const count = allowed(own[0]?.spec ?? {}, replicas);
      if (count < 1) return [`${titleOf(deployment)}: of ${replicas} pods its budget lets none be evicted`];
      return count === 1
        ? []
        : [`${titleOf(deployment)}: of ${replicas} pods its budget lets ${count} be evicted at once`];
    });
    const unhealthy = budgets
      .filter(({ spec }) => spec?.unhealthyPodEvictionPolicy !== "AlwaysAllow")
      .map((budget) => `${titleOf(budget)}: pods that are not ready keep nodes from being drained`);
    return [...perDeployment, ...unhealthy];
  },
};
