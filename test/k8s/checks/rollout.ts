/** Checks of updates, shutdowns and evictions. */
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { ENDING_MS } from "../../../src/origin/lifecycle/primary.ts";
import { fewestReplicas } from "../support/autoscaling.ts";
import { originConfiguration } from "../support/environment.ts";
import { type Check, faultsOf, type Manifests, titleOf } from "../support/manifests.ts";
import { ORIGIN, podsOf } from "../support/pods.ts";
import { share } from "../support/quantity.ts";
import { matches } from "../support/selector.ts";

const isZero = (value: string | number | undefined): boolean =>
  value !== undefined && Number.parseInt(String(value), 10) === 0;

/** An update removes no pod before another one serves, stops if new pods fail, and can be rolled back. */
export const rollout: Check = (manifests) =>
  manifests.of(Deployment).flatMap((deployment) => {
    const { strategy, minReadySeconds, progressDeadlineSeconds, revisionHistoryLimit } =
      deployment.spec ?? {};
    const { maxUnavailable, maxSurge } = strategy?.rollingUpdate ?? {};
    // A single pod that must not run twice is recreated.
    const rolls =
      strategy?.type !== "Recreate" || fewestReplicas(manifests, deployment.metadata?.name ?? "") !== 1;
    return faultsOf(titleOf(deployment), {
      "an update removes pods before others serve": rolls && !isZero(maxUnavailable),
      "an update cannot add a pod": rolls && (maxSurge === undefined || isZero(maxSurge)),
      "a pod that fails at once counts as updated": rolls && !((minReadySeconds ?? 0) > 0),
      "an update has no deadline": progressDeadlineSeconds === undefined,
      "no revision is kept for a rollback": !((revisionHistoryLimit ?? 0) >= 2),
    });
  });

/** To close Redis and the database, and to send the last telemetry. */
const FLUSH_SECONDS = ENDING_MS / 1_000;
const MARGIN_SECONDS = 5;
/** Kubernetes' default. */
const DEFAULT_GRACE_SECONDS = 30;

const originSeconds = (manifests: Manifests): number => {
  const configuration = originConfiguration(manifests);
  if (configuration?.ok !== true) return 0;
  const { preStopMs, drainTimeoutMs } = configuration.value.server;
  return (preStopMs + drainTimeoutMs) / 1_000;
};

/** The grace period covers preStop, the origin's shutdown after SIGTERM, and a margin. */
export const grace: Check = (manifests) =>
  podsOf(manifests).flatMap(({ title, name, spec, containers }) => {
    const period = spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    const hooks = containers.map(({ lifecycle }) => lifecycle?.preStop);
    const preStop = Math.max(0, ...hooks.map((hook) => hook?.sleep?.seconds ?? 0));
    const own = name === ORIGIN ? originSeconds(manifests) : 0;
    const needed = preStop + own + FLUSH_SECONDS + MARGIN_SECONDS;
    return faultsOf(title, {
      [`the grace period of ${period} s is below the required ${needed} s`]: period < needed,
      "without a preStop of at least 5 s it ends while requests still arrive": name === ORIGIN && preStop < 5,
      "preStop runs a command; use sleep": hooks.some((hook) => hook?.exec !== undefined),
    });
  });

/** The number of pods that may be evicted at once. */
const allowed = (
  { minAvailable, maxUnavailable }: { minAvailable?: string | number; maxUnavailable?: string | number },
  replicas: number,
): number => {
  if (maxUnavailable !== undefined) return share(maxUnavailable, replicas);
  return minAvailable === undefined ? 0 : replicas - share(minAvailable, replicas);
};

/** A node can be drained, and evicts one pod of a Deployment at a time. */
export const disruption: Check = (manifests) => {
  const budgets = manifests.of(PodDisruptionBudget);
  const perDeployment = manifests.of(Deployment).flatMap((deployment) => {
    const labels = deployment.spec?.template.metadata?.labels ?? {};
    const own = budgets.filter(({ spec }) => matches(spec?.selector, labels));
    const replicas = fewestReplicas(manifests, deployment.metadata?.name ?? "");
    const count = allowed(own[0]?.spec ?? {}, replicas);
    return faultsOf(titleOf(deployment), {
      "no budget covers its pods": own.length === 0 && replicas > 1,
      [`with ${own.length} budgets no pod can be evicted`]: own.length > 1,
      [`its budget allows no eviction of ${replicas} pods`]: own.length === 1 && count < 1,
      [`its budget allows ${count} evictions of ${replicas} pods at once`]: own.length === 1 && count > 1,
    });
  });
  const unhealthy = budgets
    .filter(({ spec }) => spec?.unhealthyPodEvictionPolicy !== "AlwaysAllow")
    .map((budget) => `${titleOf(budget)}: unready pods block the drain of a node`);
  return [...perDeployment, ...unhealthy];
};

const ZONE = "topology.kubernetes.io/zone";
const HOST = "kubernetes.io/hostname";

/** The loss of a node or a zone does not remove every pod. */
export const spread: Check = (manifests) =>
  podsOf(manifests)
    .filter(({ kind, name }) => kind === "Deployment" && fewestReplicas(manifests, name) > 1)
    .flatMap(({ title, name, spec }) => {
      const { topologySpreadConstraints: constraints = [], affinity } = spec;
      const terms = affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
      const keys = [...constraints, ...terms.map((term) => term.podAffinityTerm)].map(
        ({ topologyKey }) => topologyKey,
      );
      const isPerRevision = constraints
        .filter(({ topologyKey }) => topologyKey === ZONE)
        .every(({ matchLabelKeys = [] }) => matchLabelKeys.includes("pod-template-hash"));
      return faultsOf(title, {
        "all its pods may be on one node": !keys.includes(HOST),
        "all its pods may be in one zone": name === ORIGIN && !keys.includes(ZONE),
        "pods of the previous revision count during an update": !isPerRevision,
      });
    });
