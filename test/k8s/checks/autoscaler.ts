/** One autoscaler a target, which is there, and whose number of pods nobody else sets. */
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { autoscalersOf } from "../support/autoscaling.ts";
import { type Check, faultsOf } from "../support/check.ts";

export const autoscaler: Check = (manifests) => {
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
    const { replicas, template } = deployment.spec ?? {};
    const unmeasured = resources.filter((resource) =>
      template?.spec?.containers.some((container) => container.resources?.requests?.[resource] === undefined),
    );
    return faultsOf(title, {
      "the Deployment sets replicas too, and every apply sets them back": replicas !== undefined,
      [`with ${min} pod at least, one that goes is an outage`]: min < 2,
      [`at most ${max} pods, at least ${min}: nothing to scale`]: max <= min,
      [`${unmeasured.join(", ")} is a share of requests that are not there`]: unmeasured.length > 0,
    });
  });
  return [...several, ...each];
};
