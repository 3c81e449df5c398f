/** Checks of the number of pods. */
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { autoscalersOf, mostReplicas } from "../support/autoscaling.ts";
import { originConfiguration } from "../support/environment.ts";
import { type Check, faultsOf } from "../support/manifests.ts";
import { ORIGIN } from "../support/pods.ts";
import { share } from "../support/quantity.ts";

/** Every target exists and has one autoscaler, which alone sets the number of its pods. */
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
      "the Deployment sets replicas, and every apply resets them": replicas !== undefined,
      [`with a minimum of ${min} pod, losing it is an outage`]: min < 2,
      [`between ${min} and ${max} pods there is nothing to scale`]: max <= min,
      [`it scales by ${unmeasured.join(", ")}, of which there is no request`]: unmeasured.length > 0,
    });
  });
  return [...several, ...each];
};

/** The connection limit of the database, or of the pooler in front of it. */
const LIMIT = "web-api/database-connections";

/**
 * All pods together, including those of an update, stay below the database's connection limit. Pods that are shutting down
 * during an update are not included.
 */
export const connections: Check = (manifests) => {
  const deployment = manifests.of(Deployment).find(({ metadata }) => metadata?.name === ORIGIN);
  const configuration = originConfiguration(manifests);
  if (deployment === undefined || configuration?.ok !== true) return [];
  const limit = Number(deployment.metadata?.annotations?.[LIMIT]);
  if (!(limit > 0)) return [`the annotation ${LIMIT} is missing`];
  const replicas = mostReplicas(manifests, ORIGIN);
  const pods = replicas + share(deployment.spec?.strategy?.rollingUpdate?.maxSurge ?? "25%", replicas);
  const opened = pods * configuration.value.database.maxConnections;
  return opened <= limit
    ? []
    : [`${pods} pods open up to ${opened} connections; the database allows ${limit}`];
};
