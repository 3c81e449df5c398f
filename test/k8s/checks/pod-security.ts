/**
 * Pod Security Standards, "restricted" (https://kubernetes.io/docs/concepts/security/pod-security-standards/), and
 * a root file system that is read only; but for namespaces that say that they hold something else.
 */

import type { IContainer } from "kubernetes-models/v1/Container";
import { Namespace } from "kubernetes-models/v1/Namespace";
import type { IPodSpec } from "kubernetes-models/v1/PodSpec";
import type { Check } from "../support/check.ts";
import { podsOf } from "../support/pods.ts";

const VOLUMES = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);

const podFaults = ({ securityContext = {}, volumes = [], ...spec }: IPodSpec): string[] => [
  ...(securityContext.runAsNonRoot === true ? [] : ["runAsNonRoot is not true"]),
  ...((securityContext.runAsUser ?? 0) > 0 ? [] : ["runAsUser is not a number above 0"]),
  ...(securityContext.seccompProfile?.type === "RuntimeDefault"
    ? []
    : ["seccompProfile is not RuntimeDefault"]),
  ...(spec.hostNetwork || spec.hostPID || spec.hostIPC ? ["it shares the node's namespaces"] : []),
  ...volumes
    .flatMap(({ name, ...source }) => Object.keys(source).map((kind) => ({ name, kind })))
    .filter(({ kind }) => !VOLUMES.has(kind))
    .map(({ name, kind }) => `the volume ${name} is a ${kind}`),
];

/** These hold in every namespace. */
const hardeningFaults = ({ name, securityContext = {} }: IContainer): string[] => [
  ...(securityContext.allowPrivilegeEscalation === false ? [] : [`${name} may gain privileges`]),
  ...(securityContext.privileged === true ? [`${name} is privileged`] : []),
  ...(securityContext.readOnlyRootFilesystem === true ? [] : [`${name} may write to its root file system`]),
  ...(securityContext.capabilities?.drop?.includes("ALL") ? [] : [`${name} keeps capabilities`]),
];

const restrictedFaults = ({ name, securityContext = {}, ports = [] }: IContainer): string[] => [
  ...(securityContext.seccompProfile === undefined || securityContext.seccompProfile.type === "RuntimeDefault"
    ? []
    : [`${name} has another seccompProfile`]),
  ...(securityContext.capabilities?.add ?? [])
    .filter((capability) => capability !== "NET_BIND_SERVICE")
    .map((capability) => `${name} adds ${capability}`),
  ...(securityContext.runAsNonRoot === false || securityContext.runAsUser === 0 ? [`${name} is root`] : []),
  ...ports.filter(({ hostPort }) => hostPort !== undefined).map(() => `${name} takes a port of the node`),
];

export const podSecurity: Check = {
  name: "pod-security",
  find: (manifests) => {
    const privileged = manifests
      .of(Namespace)
      .filter(({ metadata }) => metadata?.labels?.["pod-security.kubernetes.io/enforce"] === "privileged")
      .map(({ metadata }) => metadata?.name);
    return podsOf(manifests).flatMap(({ title, namespace, spec, containers }) => {
      const isPrivileged = namespace !== undefined && privileged.includes(namespace);
      return [
        ...containers.flatMap(hardeningFaults),
        ...(isPrivileged ? [] : [...podFaults(spec), ...containers.flatMap(restrictedFaults)]),
      ].map((fault) => `${title}: ${fault}`);
    });
  },
};
