/** Workloads and their pods carry the standard labels; selectors, which never change, not those that do. */
import type { Check } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";
import { workloadsOf } from "../support/pods.ts";

const STANDARD = ["app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of"];
const CHANGING = ["app.kubernetes.io/version", "version", "pod-template-hash"];

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
        (key) => `${titleOf(object)}: its selector has ${key}, which changes`,
      ),
    ];
  });
