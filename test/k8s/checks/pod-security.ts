/**
 * Pod Security Standards, "restricted" (https://kubernetes.io/docs/concepts/security/pod-security-standards/), and
 * a root file system that is read only; but for namespaces that say that they hold something else.
 */

import type { IContainer } from "kubernetes-models/v1/Container";
import type { IPodSpec } from "kubernetes-models/v1/PodSpec";
import { type Check, faultsOf } from "../support/check.ts";
import { isPrivileged } from "../support/manifests.ts";
import { podsOf } from "../support/pods.ts";

const VOLUMES =
  /^(configMap|csi|downwardAPI|emptyDir|ephemeral|persistentVolumeClaim|projected|secret|name)$/;

const podFaults = (title: string, { securityContext = {}, volumes = [], ...spec }: IPodSpec): string[] => [
  ...faultsOf(title, {
    "runAsNonRoot is not true": securityContext.runAsNonRoot !== true,
    "runAsUser is not a number above 0": !((securityContext.runAsUser ?? 0) > 0),
    "seccompProfile is not RuntimeDefault": securityContext.seccompProfile?.type !== "RuntimeDefault",
    "it shares the node's namespaces": Boolean(spec.hostNetwork || spec.hostPID || spec.hostIPC),
  }),
  ...volumes.flatMap((volume) =>
    Object.keys(volume)
      .filter((kind) => !VOLUMES.test(kind))
      .map((kind) => `${title}: the volume ${volume.name} is a ${kind}`),
  ),
];

/** These hold in every namespace. */
const hardeningFaults = (title: string, { name, securityContext = {} }: IContainer): string[] =>
  faultsOf(title, {
    [`${name} may gain privileges`]: securityContext.allowPrivilegeEscalation !== false,
    [`${name} is privileged`]: securityContext.privileged === true,
    [`${name} may write to its root file system`]: securityContext.readOnlyRootFilesystem !== true,
    [`${name} keeps capabilities`]: !securityContext.capabilities?.drop?.includes("ALL"),
  });

const restrictedFaults = (
  title: string,
  { name, securityContext = {}, ports = [] }: IContainer,
): string[] => {
  const { seccompProfile, capabilities, runAsNonRoot, runAsUser } = securityContext;
  const added = (capabilities?.add ?? []).filter((capability) => capability !== "NET_BIND_SERVICE");
  return faultsOf(title, {
    [`${name} has another seccompProfile`]: (seccompProfile?.type ?? "RuntimeDefault") !== "RuntimeDefault",
    [`${name} adds ${added.join(", ")}`]: added.length > 0,
    [`${name} is root`]: runAsNonRoot === false || runAsUser === 0,
    [`${name} takes a port of the node`]: ports.some(({ hostPort }) => hostPort !== undefined),
  });
};

export const podSecurity: Check = (manifests) =>
  podsOf(manifests).flatMap(({ title, namespace, spec, containers }) => [
    ...containers.flatMap((container) => hardeningFaults(title, container)),
    ...(isPrivileged(manifests, namespace)
      ? []
      : [
          ...podFaults(title, spec),
          ...containers.flatMap((container) => restrictedFaults(title, container)),
        ]),
  ]);
