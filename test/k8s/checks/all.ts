/** Every check that needs no cluster. */
import type { Check } from "../support/check.ts";
import { type KubernetesObject, toManifests } from "../support/manifests.ts";
import { autoscaler } from "./autoscaler.ts";
import { configuration } from "./configuration.ts";
import { connections } from "./connections.ts";
import { disruption } from "./disruption.ts";
import { fields, types } from "./fields.ts";
import { grace } from "./grace.ts";
import { hashed } from "./hashed.ts";
import { heap } from "./heap.ts";
import { hosts } from "./hosts.ts";
import { identity } from "./identity.ts";
import { images } from "./images.ts";
import { ingressAnnotations } from "./ingress-annotations.ts";
import { labels } from "./labels.ts";
import { limits } from "./limits.ts";
import { names } from "./names.ts";
import { namespaces } from "./namespaces.ts";
import { network } from "./network.ts";
import { podSecurity } from "./pod-security.ts";
import { probes } from "./probes.ts";
import { references } from "./references.ts";
import { rollout } from "./rollout.ts";
import { scrape } from "./scrape.ts";
import { secrets } from "./secrets.ts";
import { selectors } from "./selectors.ts";
import { spread } from "./spread.ts";

type Checks = Readonly<Record<string, Check>>;

/** The others rely on these. */
const FORM: Checks = { types, fields };
const MEANING: Checks = {
  ...{ autoscaler, configuration, connections, disruption, grace, hashed, heap, hosts, identity, images },
  ...{ "ingress-annotations": ingressAnnotations, labels, limits, names, namespaces, network },
  ...{ "pod-security": podSecurity, probes, references, rollout, scrape, secrets, selectors, spread },
};

export const checkNames = Object.keys({ ...FORM, ...MEANING });

/** @returns the faults by the name of the check that found them; where the form is wrong nothing else is looked at */
export const runChecks = (objects: readonly KubernetesObject[]): Record<string, string[]> => {
  const manifests = toManifests(objects);
  const run = (checks: Checks): Record<string, string[]> =>
    Object.fromEntries(
      Object.entries(checks)
        .map(([name, find]) => [name, find(manifests)] as const)
        .filter(([, faults]) => faults.length > 0),
    );
  const form = run(FORM);
  return Object.keys(form).length > 0 ? form : run(MEANING);
};
