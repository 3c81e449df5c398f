/** An update takes no pod away before another serves, stops where new pods fail, and can be undone. */
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { fewestReplicas } from "../support/autoscaling.ts";
import type { Check } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";

const isZero = (value: string | number | undefined): boolean =>
  value !== undefined && Number.parseInt(String(value), 10) === 0;

export const rollout: Check = {
  name: "rollout",
  find: (manifests) =>
    manifests.of(Deployment).flatMap((deployment) => {
      const { strategy, minReadySeconds, progressDeadlineSeconds, revisionHistoryLimit } =
        deployment.spec ?? {};
      const { maxUnavailable, maxSurge } = strategy?.rollingUpdate ?? {};
      // With one pod, which must not run twice, there is nothing to roll.
      const rolls =
        strategy?.type === "Recreate" && fewestReplicas(manifests, deployment.metadata?.name ?? "") === 1
          ? []
          : [
              ...(isZero(maxUnavailable) ? [] : ["an update takes pods away before others serve"]),
              ...(maxSurge === undefined || isZero(maxSurge) ? ["an update has no pod to begin with"] : []),
              ...((minReadySeconds ?? 0) > 0 ? [] : ["a pod that fails at once counts as updated"]),
            ];
      return [
        ...rolls,
        ...(progressDeadlineSeconds === undefined ? ["it does not say after how long an update hangs"] : []),
        ...((revisionHistoryLimit ?? 0) >= 2
          ? []
          : ["it does not say that it keeps a revision to go back to"]),
      ].map((fault) => `${titleOf(deployment)}: ${fault}`);
    }),
};
