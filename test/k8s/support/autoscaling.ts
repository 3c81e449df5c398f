/** Autoscalers, and the bounds of a Deployment's pods. */
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler";
import { type Manifests, titleOf } from "./manifests.ts";

export interface Autoscaler {
  readonly title: string;
  /** Its kind with its version: `apps/v1 Deployment`. */
  readonly target: { readonly kind: string; readonly name: string };
  readonly min: number;
  readonly max: number;
  /** Resources whose use it compares with the pods' requests. */
  readonly resources: readonly string[];
}

/** KEDA creates an autoscaler for each ScaledObject. */
export const autoscalersOf = (manifests: Manifests): Autoscaler[] => [
  ...manifests.of(HorizontalPodAutoscaler).map((object) => ({
    title: titleOf(object),
    target: {
      kind: `${object.spec?.scaleTargetRef.apiVersion} ${object.spec?.scaleTargetRef.kind}`,
      name: object.spec?.scaleTargetRef.name ?? "",
    },
    min: object.spec?.minReplicas ?? 1,
    max: object.spec?.maxReplicas ?? 1,
    resources: (object.spec?.metrics ?? []).flatMap(({ resource }) => resource?.name ?? []),
  })),
  ...manifests.of(ScaledObject).map((object) => ({
    title: titleOf(object),
    target: {
      kind: `${object.spec.scaleTargetRef.apiVersion ?? "apps/v1"} ${object.spec.scaleTargetRef.kind ?? "Deployment"}`,
      name: object.spec.scaleTargetRef.name,
    },
    min: object.spec.minReplicaCount ?? 0,
    max: object.spec.maxReplicaCount ?? 100,
    resources: object.spec.triggers.flatMap(({ type }) => (type === "cpu" || type === "memory" ? type : [])),
  })),
];

const replicasOf = (manifests: Manifests, deployment: string, bound: "min" | "max"): number => {
  const scaled = autoscalersOf(manifests).filter(({ target }) => target.name === deployment);
  const own = manifests.of(Deployment).find(({ metadata }) => metadata?.name === deployment);
  const counts = scaled.map((autoscaler) => autoscaler[bound]);
  return counts.length === 0 ? (own?.spec?.replicas ?? 1) : Math.max(...counts);
};

export const mostReplicas = (manifests: Manifests, deployment: string): number =>
  replicasOf(manifests, deployment, "max");

export const fewestReplicas = (manifests: Manifests, deployment: string): number =>
  replicasOf(manifests, deployment, "min");
