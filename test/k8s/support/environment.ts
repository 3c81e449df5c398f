/** What a container gets: its environment, and the files that ConfigMaps put into it. */
import { ExternalSecret } from "@kubernetes-models/external-secrets/external-secrets.io/v1/ExternalSecret";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import type { IContainer } from "kubernetes-models/v1/Container";
import type { IEnvVar } from "kubernetes-models/v1/EnvVar";
import type { IPodSpec } from "kubernetes-models/v1/PodSpec";
import { Secret } from "kubernetes-models/v1/Secret";
import type { Manifests } from "./manifests.ts";

type Values = Readonly<Record<string, string>>;

/** Secrets that are made by command, or by External Secrets: their keys, with a value of the right form. */
export const SECRETS_BY_COMMAND: Readonly<Record<string, Values>> = {
  "db-credentials": { url: "postgres://user:password@database.example.com:5432/app" },
  "redis-credentials": { url: "rediss://default:password@redis.example.com:6379", token: "token" },
  "signing-keys": { keys: `k1:${"A".repeat(43)}=` },
  cloudflared: { token: "token" },
  "edge-telemetry": { token: "token" },
};

/** Of components that are not the origin's: by command, also where the operator makes the origin's own. */
const ALWAYS_BY_COMMAND = ["cloudflared", "edge-telemetry"];

export const configMapData = (manifests: Manifests, name: string | undefined): Values | undefined =>
  manifests.of(ConfigMap).find(({ metadata }) => metadata?.name === name)?.data;

const decoded = (data: Values): Values =>
  Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]),
  );

/** Of a Secret among the manifests. */
const writtenSecret = (manifests: Manifests, name: string | undefined): Values | undefined => {
  const secret = manifests.of(Secret).find(({ metadata }) => metadata?.name === name);
  return secret && { ...decoded(secret.data ?? {}), ...secret.stringData };
};

/** Of a Secret that the External Secrets operator makes: its keys, with values of the right form. */
const externalSecret = (manifests: Manifests, name: string | undefined): Values | undefined => {
  const secret = manifests.of(ExternalSecret).find(({ spec }) => spec?.target?.name === name);
  const made = SECRETS_BY_COMMAND[name ?? ""] ?? {};
  return (
    secret &&
    Object.fromEntries((secret.spec?.data ?? []).map(({ secretKey }) => [secretKey, made[secretKey] ?? ""]))
  );
};

/** Of a Secret among the manifests, else of one that the operator makes, else of one that is made by command. */
export const secretData = (manifests: Manifests, name: string | undefined): Values | undefined => {
  const written = writtenSecret(manifests, name);
  if (written !== undefined) return written;
  // The operator makes the origin's own: beside it nobody makes them by command.
  return manifests.of(ExternalSecret).length > 0 && !ALWAYS_BY_COMMAND.includes(name ?? "")
    ? externalSecret(manifests, name)
    : SECRETS_BY_COMMAND[name ?? ""];
};

const fromSource = (manifests: Manifests, { valueFrom }: IEnvVar): string | undefined => {
  if (valueFrom?.configMapKeyRef) {
    return configMapData(manifests, valueFrom.configMapKeyRef.name)?.[valueFrom.configMapKeyRef.key];
  }
  if (valueFrom?.secretKeyRef) {
    const { name, key, optional } = valueFrom.secretKeyRef;
    // What need not be there is there only where somebody wrote it.
    return (optional === true ? writtenSecret : secretData)(manifests, name)?.[key];
  }
  return valueFrom?.fieldRef?.fieldPath;
};

/** As the kubelet makes it: `envFrom` first, then `env` in its order, with `$(NAME)` of what stands before. */
export const environmentOf = (manifests: Manifests, container: IContainer): Record<string, string> => {
  const environment: Record<string, string> = {};
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    Object.assign(
      environment,
      configMapRef === undefined ? {} : configMapData(manifests, configMapRef.name),
      secretRef === undefined ? {} : secretData(manifests, secretRef.name),
    );
  }
  for (const variable of container.env ?? []) {
    const value = variable.value?.replaceAll(/\$\((\w+)\)/g, (written, name) => environment[name] ?? written);
    const given = value ?? fromSource(manifests, variable);
    if (given !== undefined) environment[variable.name] = given;
  }
  return environment;
};

/** A file that a mounted ConfigMap puts there; undefined where none does. */
export const mountedFile = (
  manifests: Manifests,
  { volumes = [] }: IPodSpec,
  { volumeMounts = [] }: IContainer,
  path: string,
): string | undefined => {
  for (const mount of volumeMounts) {
    const volume = volumes.find(({ name }) => name === mount.name);
    const data = volume?.configMap && configMapData(manifests, volume.configMap.name);
    const key = path.startsWith(`${mount.mountPath}/`) ? path.slice(mount.mountPath.length + 1) : undefined;
    if (data !== undefined && key !== undefined && data[key] !== undefined) return data[key];
  }
  return undefined;
};
