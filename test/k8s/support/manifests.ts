/** Rendered objects by kind, and the form of their checks. */
import type { IObjectMeta } from "@kubernetes-models/apimachinery/apis/meta/v1/ObjectMeta";
import { Namespace } from "kubernetes-models/v1/Namespace";
import { Secret } from "kubernetes-models/v1/Secret";
import { parseAllDocuments } from "yaml";

export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: IObjectMeta;
}

export interface Manifests {
  readonly all: readonly KubernetesObject[];
  of<T>(model: { is: (value: unknown) => value is T }): T[];
}

const isObject = (value: unknown): value is KubernetesObject =>
  typeof value === "object" &&
  value !== null &&
  "apiVersion" in value &&
  typeof value.apiVersion === "string" &&
  "kind" in value &&
  typeof value.kind === "string" &&
  "metadata" in value &&
  typeof value.metadata === "object" &&
  value.metadata !== null;

/** kustomize breaks long base64 into lines, which the schema does not allow. */
const withoutLineBreaks = (object: KubernetesObject): KubernetesObject => {
  if (!Secret.is(object)) return object;
  const data = Object.entries(object.data ?? {}).map(([key, value]) => [key, value.replaceAll("\n", "")]);
  const joined = { ...object, metadata: object.metadata ?? {}, data: Object.fromEntries(data) };
  return joined;
};

/** @throws Error if a document is not a Kubernetes object */
export const parseManifests = (yaml: string): KubernetesObject[] =>
  parseAllDocuments(yaml).map((document) => {
    const value: unknown = document.toJS();
    if (document.errors.length > 0 || !isObject(value))
      throw new Error(`not a Kubernetes object: ${String(document)}`);
    return withoutLineBreaks(value);
  });

export const toManifests = (all: readonly KubernetesObject[]): Manifests => ({
  all,
  of: (model) => all.filter((object) => model.is(object)),
});

/** Such as `Deployment web-api`, for faults. */
export const titleOf = ({ kind, metadata }: { kind: string; metadata?: IObjectMeta }): string =>
  `${kind} ${metadata?.name ?? "without a name"}`;

/** A namespace's level of Pod Security Admission. */
export const enforcedLevel = ({ metadata }: { metadata?: IObjectMeta }): string | undefined =>
  metadata?.labels?.["pod-security.kubernetes.io/enforce"];

/** Whether a namespace has the level "privileged". */
export const isPrivileged = (manifests: Manifests, name: string | undefined): boolean =>
  manifests
    .of(Namespace)
    .some((namespace) => namespace.metadata?.name === name && enforcedLevel(namespace) === "privileged");

/** A property of all objects that are applied together. @returns each fault as a sentence with the object's title */
export type Check = (manifests: Manifests) => string[];

/** @returns the sentences whose condition holds, after the title */
export const faultsOf = (title: string, conditions: Readonly<Record<string, boolean>>): string[] =>
  Object.entries(conditions)
    .filter(([, isFault]) => isFault)
    .map(([sentence]) => `${title}: ${sentence}`);
