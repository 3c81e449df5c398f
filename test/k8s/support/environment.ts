/** A container's environment, its files from ConfigMaps, and the origin's configuration in both. */
import { ExternalSecret } from "@kubernetes-models/external-secrets/external-secrets.io/v1/ExternalSecret";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import type { IContainer } from "kubernetes-models/v1/Container";
import type { IEnvVar } from "kubernetes-models/v1/EnvVar";
import type { IPodSpec } from "kubernetes-models/v1/PodSpec";
import { Secret } from "kubernetes-models/v1/Secret";
import { DEFAULT_FILE, FILE_VARIABLE } from "../../../src/origin/config/file.ts";
import { type OriginConfigurationReading, readOriginConfiguration } from "../../../src/origin/config/read.ts";
import type { Manifests } from "./manifests.ts";
import { originContainer, originOf } from "./pods.ts";

type Values = Readonly<Record<string, string>>;

/** Secrets created by command, or by External Secrets: their keys, with valid values. */
const SECRETS_BY_COMMAND: Readonly<Record<string, Values>> = {
  "db-credentials": { url: "postgres://user:password@database.example.com:5432/app" },
  "redis-credentials": { url: "rediss://default:password@redis.example.com:6379", token: "token" },
  "signing-keys": { keys: `k1:${"A".repeat(43)}=` },
  cloudflared: { token: "token" },
  "edge-telemetry": { token: "token" },
  backup: {
    "database-url": "postgres://reader:password@database.example.com:5432/app",
    recipient: "age1example",
    "rclone.conf": "[backup]",
  },
  restore: { "database-url": "postgres://user:password@database.example.com:5432/restored", identity: "key" },
};

/** Secrets of components other than the origin are created by command, even with External Secrets. */
const ALWAYS_BY_COMMAND = ["backup", "cloudflared", "edge-telemetry", "restore"];

export const configMapData = (manifests: Manifests, name: string | undefined): Values | undefined =>
  manifests.of(ConfigMap).find(({ metadata }) => metadata?.name === name)?.data;

const decoded = (data: Values): Values =>
  Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]),
  );

/** The data of a Secret in the manifests. */
const writtenSecret = (manifests: Manifests, name: string | undefined): Values | undefined => {
  const secret = manifests.of(Secret).find(({ metadata }) => metadata?.name === name);
  return secret && { ...decoded(secret.data ?? {}), ...secret.stringData };
};

/** The keys of a Secret that the External Secrets operator creates, with valid values. */
const externalSecret = (manifests: Manifests, name: string | undefined): Values | undefined => {
  const secret = manifests.of(ExternalSecret).find(({ spec }) => spec?.target?.name === name);
  const values = SECRETS_BY_COMMAND[name ?? ""] ?? {};
  return (
    secret &&
    Object.fromEntries((secret.spec?.data ?? []).map(({ secretKey }) => [secretKey, values[secretKey] ?? ""]))
  );
};

/** The data of a Secret in the manifests, otherwise of one created by the operator, otherwise by command. */
export const secretData = (manifests: Manifests, name: string | undefined): Values | undefined => {
  const written = writtenSecret(manifests, name);
  if (written !== undefined) return written;
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
    // An optional Secret exists only if the manifests have it.
    return (optional === true ? writtenSecret : secretData)(manifests, name)?.[key];
  }
  return valueFrom?.fieldRef?.fieldPath;
};

/** Like the kubelet: `envFrom` first, then `env` in order, with `$(NAME)` of earlier variables. */
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
    const resolved = value ?? fromSource(manifests, variable);
    if (resolved !== undefined) environment[variable.name] = resolved;
  }
  return environment;
};

/** A file of a mounted ConfigMap; undefined if no ConfigMap has it. */
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

/** The origin's configuration as the program reads it; undefined if the manifests have no origin. */
export const originConfiguration = (manifests: Manifests): OriginConfigurationReading | undefined => {
  const pods = originOf(manifests);
  const container = originContainer(manifests);
  if (pods === undefined || container === undefined) return undefined;
  const environment = environmentOf(manifests, container);
  const path = environment[FILE_VARIABLE] ?? DEFAULT_FILE;
  const text = mountedFile(manifests, pods.spec, container, path);
  return readOriginConfiguration(environment, text === undefined ? undefined : { path, text });
};
