/** The quota of a namespace admits every pod that may run in it. */
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import { ResourceQuota } from "kubernetes-models/v1/ResourceQuota";
import { mostReplicas } from "../support/autoscaling.ts";
import { type Check, type Manifests, titleOf } from "../support/manifests.ts";
import { quantity } from "../support/quantity.ts";
import { mostPods } from "./scaling.ts";

/** By the quota's names, such as `requests.cpu`, of all pods of a namespace at the autoscaler's maximum during an update. */
const needs = (manifests: Manifests, namespace: string | undefined): Record<string, number> => {
  const sums: Record<string, number> = {};
  const add = (name: string, amount: number): void => {
    sums[name] = (sums[name] ?? 0) + amount;
  };
  for (const workload of [...manifests.of(Deployment), ...manifests.of(StatefulSet)]) {
    const { metadata, spec } = workload;
    if (spec === undefined || metadata?.namespace !== namespace) continue;
    const replicas = mostReplicas(manifests, metadata?.name ?? "");
    const pods = Deployment.is(workload) && workload.spec ? mostPods(workload.spec, replicas) : replicas;
    add("pods", pods);
    for (const { resources = {} } of spec.template.spec?.containers ?? [])
      for (const kind of ["requests", "limits"] as const)
        for (const [resource, amount] of Object.entries(resources[kind] ?? {}))
          add(`${kind}.${resource}`, pods * quantity(amount));
  }
  return sums;
};

export const quota: Check = (manifests) =>
  manifests.of(ResourceQuota).flatMap((object) => {
    const needed = needs(manifests, object.metadata?.namespace);
    return Object.entries(object.spec?.hard ?? {})
      .filter(([name, most]) => !((needed[name] ?? 0) <= quantity(most)))
      .map(
        ([name, most]) =>
          `${titleOf(object)}: ${name} is ${most}, but an update may need ${needed[name]?.toFixed(1)}`,
      );
  });
