/** A node can be drained, and never takes several pods of one kind at once. */
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { fewestReplicas } from "../support/autoscaling.ts";
import { type Check, faultsOf } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";
import { share } from "../support/quantity.ts";
import { matches } from "../support/selector.ts";

/** How many of so many pods may be evicted at once. */
const allowed = (
  { minAvailable, maxUnavailable }: { minAvailable?: string | number; maxUnavailable?: string | number },
  replicas: number,
): number => {
  if (maxUnavailable !== undefined) return share(maxUnavailable, replicas);
  return minAvailable === undefined ? 0 : replicas - share(minAvailable, replicas);
};

export const disruption: Check = (manifests) => {
  const budgets = manifests.of(PodDisruptionBudget);
  const perDeployment = manifests.of(Deployment).flatMap((deployment) => {
    const labels = deployment.spec?.template.metadata?.labels ?? {};
    const own = budgets.filter(({ spec }) => matches(spec?.selector, labels));
    const replicas = fewestReplicas(manifests, deployment.metadata?.name ?? "");
    const count = allowed(own[0]?.spec ?? {}, replicas);
    return faultsOf(titleOf(deployment), {
      "no budget keeps its pods": own.length === 0 && replicas > 1,
      [`with ${own.length} budgets no pod can be evicted`]: own.length > 1,
      [`of ${replicas} pods its budget lets none be evicted`]: own.length === 1 && count < 1,
      [`of ${replicas} pods its budget lets ${count} be evicted at once`]: own.length === 1 && count > 1,
    });
  });
  const unhealthy = budgets
    .filter(({ spec }) => spec?.unhealthyPodEvictionPolicy !== "AlwaysAllow")
    .map((budget) => `${titleOf(budget)}: pods that are not ready keep nodes from being drained`);
  return [...perDeployment, ...unhealthy];
};
