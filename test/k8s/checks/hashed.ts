/** A change of configuration rolls the pods: what they read has a name that changes with it. */
import type { Check } from "../support/check.ts";
import { podsOf } from "../support/pods.ts";

const HASHED = /-[bcdfghkmt2456789]{10}$/;

export const hashed: Check = (manifests) =>
  podsOf(manifests).flatMap(({ title, spec, containers }) =>
    [
      ...(spec.volumes ?? []).map(({ configMap }) => configMap?.name),
      ...containers.flatMap(({ envFrom = [], env = [] }) => [
        ...envFrom.map(({ configMapRef }) => configMapRef?.name),
        ...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef?.name),
      ]),
    ]
      .filter((name) => name !== undefined && !HASHED.test(name))
      .map((name) => `${title}: a change of the ConfigMap ${name} reaches no pod that runs`),
  );
