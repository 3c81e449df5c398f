/** The pods of all workloads. */
import type { IObjectMeta } from "@kubernetes-models/apimachinery/apis/meta/v1/ObjectMeta";
import { DaemonSet } from "kubernetes-models/apps/v1/DaemonSet";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import { CronJob } from "kubernetes-models/batch/v1/CronJob";
import { Job } from "kubernetes-models/batch/v1/Job";
import type { IContainer } from "kubernetes-models/v1/Container";
import type { IPodSpec } from "kubernetes-models/v1/PodSpec";
import { type Manifests, titleOf } from "./manifests.ts";

export interface Pods {
  /** The workload's title. */
  readonly title: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: IPodSpec;
  /** By name. */
  readonly ports: Readonly<Record<string, number>>;
  /** All containers, init containers first. */
  readonly containers: readonly IContainer[];
}

/** Those whose pods run until they are replaced, and have a selector. */
export const workloadsOf = (manifests: Manifests) => [
  ...manifests.of(Deployment),
  ...manifests.of(StatefulSet),
  ...manifests.of(DaemonSet),
];

export const podsOf = (manifests: Manifests): Pods[] =>
  [
    ...[...workloadsOf(manifests), ...manifests.of(Job)].map((object) => ({
      object,
      template: object.spec?.template,
    })),
    ...manifests.of(CronJob).map((object) => ({ object, template: object.spec?.jobTemplate.spec?.template })),
  ].flatMap(({ object, template }) => {
    const { metadata, spec } = template ?? {};
    if (spec === undefined) return [];
    const { labels = {}, annotations = {} }: IObjectMeta = metadata ?? {};
    const containers = [...(spec.initContainers ?? []), ...spec.containers];
    const ports = containers.flatMap((container) => container.ports ?? []);
    return {
      title: titleOf(object),
      kind: object.kind,
      name: object.metadata?.name ?? "",
      namespace: object.metadata?.namespace,
      ...{ labels, annotations, spec, containers },
      ports: Object.fromEntries(ports.map(({ name = "", containerPort }) => [name, containerPort])),
    };
  });

/** The origin's Deployment and container. */
export const ORIGIN = "web-api";

/** The Job that migrates the database. */
export const MIGRATION = "web-api-migrate";

/** The CronJobs that back up the database, and restore it. */
export const BACKUP = "web-api-backup";
export const RESTORE = "web-api-restore";

export const originOf = (manifests: Manifests): Pods | undefined =>
  podsOf(manifests).find(({ kind, name }) => kind === "Deployment" && name === ORIGIN);

export const originContainer = (manifests: Manifests): IContainer | undefined =>
  originOf(manifests)?.spec.containers.find(({ name }) => name === ORIGIN);
