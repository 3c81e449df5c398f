/** A rendered Deployment's settings of the origin's pod that apply to a process or a container. */
import type { IProbe } from "kubernetes-models/v1/Probe";
import { DEFAULT_FILE } from "../../../src/origin/config/file.ts";
import { environmentOf, mountedFile } from "../../k8s/support/environment.ts";
import { type KubernetesObject, toManifests } from "../../k8s/support/manifests.ts";
import { originContainer, originOf } from "../../k8s/support/pods.ts";
import { quantity } from "../../k8s/support/quantity.ts";

export interface PodProbe {
  readonly port: number;
  readonly path: string;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly failureThreshold: number;
}

export interface PodPlan {
  readonly environment: Readonly<Record<string, string>>;
  readonly configurationFile: string;
  readonly uid: number;
  readonly gid: number;
  readonly isReadOnly: boolean;
  /** Writable paths despite the read-only root. */
  readonly writable: readonly string[];
  readonly memoryBytes: number;
  readonly ports: { readonly http: number; readonly metrics: number };
  readonly startup: PodProbe;
  readonly liveness: PodProbe;
  readonly readiness: PodProbe;
  /** From SIGTERM to SIGKILL: the grace period without preStop. */
  readonly endMs: number;
  /** The host of the edge's requests. */
  readonly authority: string;
}

const needed = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Error(`the Deployment has no ${what}`);
  return value;
};

/** @throws Error if a setting is missing */
export const podPlan = (objects: readonly KubernetesObject[]): PodPlan => {
  const manifests = toManifests(objects);
  const pods = needed(originOf(manifests), "pods");
  const container = needed(originContainer(manifests), "container");
  const environment = environmentOf(manifests, container);
  const portOf = (port: string | number | undefined): number =>
    typeof port === "number"
      ? port
      : needed(
          container.ports?.find(({ name }) => name === port),
          `port ${port}`,
        ).containerPort;
  const probeOf = (probe: IProbe | undefined): PodProbe => {
    const get = needed(probe?.httpGet, "probe");
    return {
      port: portOf(get.port),
      path: needed(get.path, "path to probe"),
      periodMs: (probe?.periodSeconds ?? 10) * 1_000,
      timeoutMs: (probe?.timeoutSeconds ?? 1) * 1_000,
      failureThreshold: probe?.failureThreshold ?? 3,
    };
  };
  const volumes = pods.spec.volumes ?? [];
  const { preStop } = container.lifecycle ?? {};
  return {
    environment,
    configurationFile: needed(
      mountedFile(manifests, pods.spec, container, DEFAULT_FILE),
      "configuration file",
    ),
    uid: needed(pods.spec.securityContext?.runAsUser, "user"),
    gid: needed(pods.spec.securityContext?.runAsGroup, "group"),
    isReadOnly: container.securityContext?.readOnlyRootFilesystem === true,
    writable: (container.volumeMounts ?? [])
      .filter(({ name }) => volumes.some((volume) => volume.name === name && volume.emptyDir !== undefined))
      .map(({ mountPath }) => mountPath),
    memoryBytes: quantity(container.resources?.limits?.["memory"]),
    ports: { http: portOf("http"), metrics: portOf("metrics") },
    startup: probeOf(container.startupProbe),
    liveness: probeOf(container.livenessProbe),
    readiness: probeOf(container.readinessProbe),
    endMs:
      (needed(pods.spec.terminationGracePeriodSeconds, "grace period") - (preStop?.sleep?.seconds ?? 0)) *
      1_000,
    authority: needed(environment["ORIGIN_AUTHORITIES"]?.split(",")[0], "authority"),
  };
};
