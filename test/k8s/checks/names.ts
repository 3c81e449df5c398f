/** Names and labels have the form that the API server asks for, and no two objects share one. */
import { type Check, faultsOf } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";

const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

export const names: Check = ({ all }) => {
  const seen = new Set<string>();
  return all.flatMap((object) => {
    const { kind, apiVersion, metadata } = object;
    const id = [apiVersion, kind, metadata.namespace ?? "", metadata.name].join(" ");
    const isTwice = seen.has(id);
    seen.add(id);
    const noLabels = Object.entries(metadata.labels ?? {})
      .filter(([key, value]) => !LABEL_KEY.test(key) || !LABEL_VALUE.test(value))
      .map(([key, value]) => `${titleOf(object)}: ${key}=${value} is no label`);
    return [
      ...faultsOf(titleOf(object), {
        "is there twice": isTwice,
        "its name is not in DNS form": !NAME.test(metadata.name ?? ""),
      }),
      ...noLabels,
    ];
  });
};
