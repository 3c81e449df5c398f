/** Names and labels have the form that the API server asks for, and no two objects share one. */
import type { Check } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";

const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

export const names: Check = {
  name: "names",
  find: ({ all }) => {
    const seen = new Set<string>();
    return all.flatMap((object) => {
      const { kind, apiVersion, metadata } = object;
      const title = titleOf(object);
      const id = [apiVersion, kind, metadata.namespace ?? "", metadata.name].join(" ");
      const faults: string[] = [];
      if (seen.has(id)) faults.push(`${title} is there twice`);
      seen.add(id);
      if (!NAME.test(metadata.name ?? "")) faults.push(`${title}: its name is not in DNS form`);
      for (const [key, value] of Object.entries(metadata.labels ?? {})) {
        if (!LABEL_KEY.test(key) || !LABEL_VALUE.test(value))
          faults.push(`${title}: ${key}=${value} is no label`);
      }
      return faults;
    });
  },
};
