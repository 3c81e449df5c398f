/** One autoscaler a target, which is there, and whose number of pods nobody else sets. */
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { autoscalersOf } from "../support/autoscaling.ts";
import type { Check } from "../support/check.ts";
import { podsOf } from "../support/pods.ts";

export const autoscaler: Check = {
  name: "autoscaler",
  find: (manifests) => {
    const all = autoscalersOf(manifests);
    const perTarget = Map.groupBy(all, ({ target }) => `${target.kind} ${target.name}`);
    const several = [...perTarget]
      .filter(([, scalers]) => scalers.length > 1)
      .map(([target, scalers]) => `${target} has ${scalers.length} autoscalers: neither scales it`);
    const each = all.flatMap(({ title, target, min, max, resources }) => {
      const deployment = manifests
        .of(Deployment)
        .find(
          ({ apiVersion, kind, metadata }) =>
            `${apiVersion} ${kind}` === target.kind && metadata?.name === target.name,
        );
      if (deployment === undefined) return [`${title}: there is no ${target.kind} ${target.name}`];
      const containers = podsOf(manifests)
        .filter(({ kind, name }) => kind === "Deployment" && name === target.name)
        .flatMap((pods) => pods.spec.containers);
      const unmeasured = resources.filter((resource) =>
        containers.some((container) => container.resources?.requests?.[resource] === undefined),
      );
      return [
        ...(deployment.spec?.replicas === undefined
          ? []
          : [`${title}: the Deployment sets replicas too, and every apply sets them back`]),
        ...(min >= 2 ? [] : [`${title}: with ${min} pod at least, one that goes is an outage`]),
        ...(max > min ? [] : [`${title}: at most ${max} pods, at least ${min}: nothing to scale`]),
        ...unmeasured.map((resource) => `${title}: ${resource} is a share of requests that are not there`),
      ];
    });
    return [...several, ...each];
  },
};
