/** Workloads and their pods carry the standard labels; selectors, which never change, not those that do. */
import { DaemonSet } from "kubernetes-models/apps/v1/DaemonSet";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import type { Check } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";

const STANDARD = ["app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of"];
const CHANGING = ["app.kubernetes.io/version", "version", "pod-template-hash"];

export const labels: Check = {
  name: "labels",
  find: (manifests) =>
    [...manifests.of(Deployment), ...manifests.of(StatefulSet), ...manifests.of(DaemonSet)].flatMap(
      (object) => {
        const title = titleOf(object);
        const template = object.spec?.template.metadata?.labels ?? {};
        const missing = STANDARD.filter(
          (key) => object.metadata?.labels?.[key] === undefined || template[key] === undefined,
        );
        const { matchLabels = {}, matchExpressions = [] } = object.spec?.selector ?? {};
        const selected = [...Object.keys(matchLabels), ...matchExpressions.map(({ key }) => key)];
        const changing = CHANGING.filter((key) => selected.includes(key));
        return [
          ...missing.map((key) => `${title}: the label ${key} is missing`),
          ...changing.map((key) => `${title}: its selector has ${key}, which changes`),
        ];
      },
    ),
};
