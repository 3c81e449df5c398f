/** A change of configuration rolls the pods: what they read has a name that changes with it. */
import type { Check } from "../support/check.ts";
import { podsOf } from "../support/pods.ts";

const HASHED = /-[bcdfghkmt2456789]{10}$/;

export const hashed: Check = {
  name: "hashed",
  find: (manifests) =>
    podsOf(manifests).flatMap(({ title, spec, containers }) => {
      const read = [
        ...(spec.volumes ?? []).flatMap(({ configMap }) => configMap?.name ?? []),
        ...containers.flatMap(({ envFrom = [], env = [] }) => [
          ...envFrom.flatMap(({ configMapRef }) => configMapRef?.name ?? []),
          ...env.flatMap(({ valueFrom }) => valueFrom?.configMapKeyRef?.name ?? []),
        ]),
      ];
      return read
        .filter((name) => !HASHED.test(name))
        .map((name) => `${title}: a change of the ConfigMap ${name} reaches no pod that runs`);
    }),
};
