/** Every check that needs no cluster. */
import { type Check, type KubernetesObject, toManifests } from "../support/manifests.ts";
import { backups } from "./backups.ts";
import { clients, configuration, hashed, hosts, rotation, scrape } from "./configuration.ts";
import { families } from "./families.ts";
import { ingressAnnotations } from "./ingress-annotations.ts";
import { keepAlive } from "./keep-alive.ts";
import { migrations } from "./migrations.ts";
import { network } from "./network.ts";
import { fields, images, labels, namespaces, types } from "./objects.ts";
import { probes } from "./probes.ts";
import { quota } from "./quota.ts";
import { references } from "./references.ts";
import { heap, limits } from "./resources.ts";
import { disruption, grace, rollout, spread } from "./rollout.ts";
import { autoscaler, connections } from "./scaling.ts";
import { identity, podSecurity, secrets } from "./security.ts";
import { selectors } from "./selectors.ts";
import { kept, placeholders } from "./telemetry.ts";

type Checks = Readonly<Record<string, Check>>;

/** The others rely on these. */
const FORM: Checks = { types, fields };
const MEANING: Checks = {
  ...{
    autoscaler,
    backups,
    clients,
    configuration,
    connections,
    disruption,
    families,
    grace,
    hashed,
    heap,
    hosts,
  },
  ...{ identity, images, "ingress-annotations": ingressAnnotations, "keep-alive": keepAlive, kept },
  ...{
    labels,
    limits,
    migrations,
    namespaces,
    network,
    placeholders,
    "pod-security": podSecurity,
    probes,
    quota,
  },
  ...{ references, rollout, rotation, scrape, secrets, selectors, spread },
};

export const checkNames = Object.keys({ ...FORM, ...MEANING });

/** @returns faults by the name of their check; after faults of form, no other check runs */
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
