/** Checks of single objects: their schema, labels, images and namespaces. */
import { Namespace } from "kubernetes-models/v1/Namespace";
import { imageFault } from "../../container/support/image-fault.ts";
import { unknownFields } from "../support/fields.ts";
import { schemaFaults } from "../support/kinds.ts";
import { type Check, enforcedLevel, isPrivileged, titleOf } from "../support/manifests.ts";
import { podsOf, workloadsOf } from "../support/pods.ts";

/** No object has an unknown field. */
export const fields: Check = ({ all }) => unknownFields(all);

/** Every field has its schema's type, and required ones exist. */
export const types: Check = ({ all }) =>
  all.flatMap((object) => schemaFaults(object).map((fault) => `${titleOf(object)}: ${fault}`));

const STANDARD = ["app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of"];
const CHANGING = ["app.kubernetes.io/version", "version", "pod-template-hash"];

/** Workloads and their pods have the standard labels; selectors, which are immutable, have none that change. */
export const labels: Check = (manifests) =>
  workloadsOf(manifests).flatMap((object) => {
    const template = object.spec?.template.metadata?.labels ?? {};
    const { matchLabels = {}, matchExpressions = [] } = object.spec?.selector ?? {};
    const selected = [...Object.keys(matchLabels), ...matchExpressions.map(({ key }) => key)];
    return [
      ...STANDARD.filter(
        (key) => object.metadata?.labels?.[key] === undefined || template[key] === undefined,
      ).map((key) => `${titleOf(object)}: the label ${key} is missing`),
      ...CHANGING.filter((key) => selected.includes(key)).map(
        (key) => `${titleOf(object)}: the selector has ${key}, which changes`,
      ),
    ];
  });

/** Every image is pinned, so that the same manifest always starts the same program. */
export const images: Check = (manifests) =>
  podsOf(manifests).flatMap(({ title, containers }) =>
    containers.flatMap(({ image = "" }) => {
      const fault = imageFault(image);
      return fault === undefined ? [] : [`${title}: the image ${image} ${fault}`];
    }),
  );

const WITHOUT_NAMESPACE = ["Namespace", "PriorityClass"];
/** Prometheus and Alertmanager apply these to all namespaces. */
const OF_CLUSTER = ["PrometheusRule", "AlertmanagerConfig"];
const MONITORING = "monitoring";

/**
 * All objects are in one namespace, except for privileged ones and those that a cluster has once; namespaces set their
 * Pod Security level.
 */
export const namespaces: Check = (manifests) => {
  const homes = new Set(
    manifests.all
      .filter(({ kind, metadata }) => !WITHOUT_NAMESPACE.includes(kind) && metadata.namespace !== MONITORING)
      .filter(({ metadata }) => !isPrivileged(manifests, metadata.namespace))
      .map(({ metadata }) => metadata.namespace),
  );
  return [
    ...(homes.size === 1
      ? []
      : [`the objects are in several namespaces: ${[...homes].map(String).join(", ")}`]),
    ...manifests.all
      .filter(({ kind, metadata }) => OF_CLUSTER.includes(kind) && metadata.namespace !== MONITORING)
      .map((object) => `${titleOf(object)}: each environment would add its own to the whole cluster's`),
    ...manifests
      .of(Namespace)
      .filter((namespace) => !["restricted", "privileged"].includes(enforcedLevel(namespace) ?? ""))
      .map((namespace) => `${titleOf(namespace)}: it enforces no Pod Security level`),
  ];
};
