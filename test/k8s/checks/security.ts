/** Checks of pods' permissions, identities and secrets. */
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import type { IContainer } from "kubernetes-models/v1/Container";
import type { IPodSpec } from "kubernetes-models/v1/PodSpec";
import { Secret } from "kubernetes-models/v1/Secret";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { type Check, faultsOf, isPrivileged, titleOf } from "../support/manifests.ts";
import { ORIGIN, originOf, podsOf } from "../support/pods.ts";

const VOLUMES =
  /^(configMap|csi|downwardAPI|emptyDir|ephemeral|persistentVolumeClaim|projected|secret|name)$/;

const podFaults = (title: string, { securityContext = {}, volumes = [], ...spec }: IPodSpec): string[] => [
  ...faultsOf(title, {
    "runAsNonRoot is not true": securityContext.runAsNonRoot !== true,
    "runAsUser is not above 0": !((securityContext.runAsUser ?? 0) > 0),
    "seccompProfile is not RuntimeDefault": securityContext.seccompProfile?.type !== "RuntimeDefault",
    "it shares the node's namespaces": Boolean(spec.hostNetwork || spec.hostPID || spec.hostIPC),
  }),
  ...volumes.flatMap((volume) =>
    Object.keys(volume)
      .filter((kind) => !VOLUMES.test(kind))
      .map((kind) => `${title}: the volume ${volume.name} is a ${kind}`),
  ),
];

/** In every namespace. */
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
    [`${name} runs as root`]: runAsNonRoot === false || runAsUser === 0,
    [`${name} uses a port of the node`]: ports.some(({ hostPort }) => hostPort !== undefined),
  });
};

/**
 * Pod Security Standards, "restricted" (https://kubernetes.io/docs/concepts/security/pod-security-standards/), except in
 * privileged namespaces; and a read-only root file system.
 */
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

/** No pod has a token of the cluster, or the addresses of all services in its environment. */
export const identity: Check = (manifests) => [
  ...podsOf(manifests).flatMap(({ title, spec }) =>
    faultsOf(title, {
      "it gets a token of the cluster": spec.automountServiceAccountToken !== false,
      "its environment has the addresses of all services": spec.enableServiceLinks !== false,
    }),
  ),
  ...manifests
    .of(ServiceAccount)
    .filter(({ automountServiceAccountToken }) => automountServiceAccountToken !== false)
    .map((account) => `${titleOf(account)}: its pods get a token`),
  ...faultsOf("the origin", {
    "it has no account of its own": originOf(manifests)?.spec.serviceAccountName !== ORIGIN,
  }),
];

/** Its secrets are not real. */
const THROWAWAY_NAMESPACE = "breakwater-dev";
const PASSWORD_IN_URL = /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s/@]+@/i;
const SECRET_NAME = /(PASSWORD|PASSWD|SECRET|TOKEN|SIGNING_KEYS|API_KEY|DATABASE_URL|REDIS_URL)$/;

/** Secret keys of the origin's file, at any depth. */
const SECRET_LINE = /^\s*(signing_keys|token|password|passwd)\s*:\s*\S/m;
/** An argument such as `--token=…`, or `--token` before its value. */
const SECRET_ARGUMENT = /^--?(token|password|secret|api-?key)(=|$)/i;

const isSecret = (name: string, value: string): boolean =>
  PASSWORD_IN_URL.test(value) ||
  (name.endsWith(".yaml") && SECRET_LINE.test(value)) ||
  (SECRET_NAME.test(name) && value !== "");

/** No secret is in git, or outside of Secrets. */
export const secrets: Check = (manifests) => [
  ...manifests
    .of(Secret)
    .filter(({ metadata }) => metadata?.namespace !== THROWAWAY_NAMESPACE)
    .map((secret) => `${titleOf(secret)}: its values are in git`),
  ...manifests.of(ConfigMap).flatMap((map) =>
    Object.entries(map.data ?? {})
      .filter(([key, value]) => isSecret(key, value))
      .map(([key]) => `${titleOf(map)}: ${key} contains a secret`),
  ),
  ...podsOf(manifests).flatMap(({ title, containers }) =>
    containers.flatMap(({ env = [], args = [], command = [] }) => [
      ...env
        .filter(({ name, value }) => value !== undefined && isSecret(name, value))
        .map(({ name }) => `${title}: ${name} contains a secret`),
      ...[...command, ...args]
        .filter((word) => SECRET_ARGUMENT.test(word))
        .map((word) => `${title}: the argument ${word.split("=")[0]} contains a secret`),
    ]),
  ),
];
