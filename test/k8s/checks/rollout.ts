/** An update takes no pod away before another serves, stops where new pods fail, and can be undone. */
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { fewestReplicas } from "../support/autoscaling.ts";
import { type Check, faultsOf } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";

const isZero = (value: string | number | undefined): boolean =>
  value !== undefined && Number.parseInt(String(value), 10) === 0;

export const rollout: Check = (manifests) =>
  manifests.of(Deployment).flatMap((deployment) => {
    const { strategy, minReadySeconds, progressDeadlineSeconds, revisionHistoryLimit } =
      deployment.spec ?? {};
    const { maxUnavailable, maxSurge } = strategy?.rollingUpdate ?? {};
    // With one pod, which must not run twice, there is nothing to roll.
    const rolls =
      strategy?.type !== "Recreate" || fewestReplicas(manifests, deployment.metadata?.name ?? "") !== 1;
    return faultsOf(titleOf(deployment), {
      "an update takes pods away before others serve": rolls && !isZero(maxUnavailable),
      "an update has no pod to begin with": rolls && (maxSurge === undefined || isZero(maxSurge)),
      "a pod that fails at once counts as updated": rolls && !((minReadySeconds ?? 0) > 0),
      "it does not say after how long an update hangs": progressDeadlineSeconds === undefined,
      "it does not say that it keeps a revision to go back to": !((revisionHistoryLimit ?? 0) >= 2),
    });
  });
