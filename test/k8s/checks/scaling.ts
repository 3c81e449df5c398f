/** Checks of the number of pods. */
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import type { IDeploymentSpec } from "kubernetes-models/apps/v1/DeploymentSpec";
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
      "it scales by memory, which does not fall with the load: after a peak it keeps every pod":
        resources.includes("memory"),
      [`it scales by ${unmeasured.join(", ")}, of which there is no request`]: unmeasured.length > 0,
    });
  });
  return [...several, ...each];
};

/** The connection limit of the database, or of the pooler in front of it. */
const LIMIT = "web-api/database-connections";

/** Of a pod besides its pool: to migrate at startup, and to cancel statements. */
const EXTRA = 1;

/**
 * The most pods during an update: all of them, those that it adds, and those that it replaces and that have not ended yet.
 * They do not count for maxSurge. Each batch of new pods waits at least `minReadySeconds` before the next one starts.
 */
export const mostPods = (
  { strategy, minReadySeconds = 0, template }: IDeploymentSpec,
  replicas: number,
): number => {
  if (strategy?.type === "Recreate") return replicas;
  const surge = share(strategy?.rollingUpdate?.maxSurge ?? "25%", replicas);
  const graceSeconds = template.spec?.terminationGracePeriodSeconds ?? 30;
  const batches = Math.ceil(graceSeconds / Math.max(1, minReadySeconds));
  return replicas + surge + Math.min(replicas, surge * batches);
};

/** All pods together, also during an update, stay below the database's connection limit. */
export const connections: Check = (manifests) => {
  const deployment = manifests.of(Deployment).find(({ metadata }) => metadata?.name === ORIGIN);
  const configuration = originConfiguration(manifests);
  if (deployment === undefined || configuration?.ok !== true) return [];
  const limit = Number(deployment.metadata?.annotations?.[LIMIT]);
  if (!(limit > 0)) return [`the annotation ${LIMIT} is missing`];
  const replicas = mostReplicas(manifests, ORIGIN);
  const pods = deployment.spec === undefined ? 0 : mostPods(deployment.spec, replicas);
  const opened = pods * (configuration.value.database.maxConnections + EXTRA);
  return opened <= limit
    ? []
    : [`${pods} pods open up to ${opened} connections; the database allows ${limit}`];
};
