/** No pod carries a token of the cluster, nor the addresses of every service in its environment. */
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import type { Check } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";
import { ORIGIN, originOf, podsOf } from "../support/pods.ts";

export const identity: Check = {
  name: "identity",
  find: (manifests) => [
    ...podsOf(manifests).flatMap(({ title, spec }) => [
      ...(spec.automountServiceAccountToken === false ? [] : [`${title}: it gets a token of the cluster`]),
      ...(spec.enableServiceLinks === false ? [] : [`${title}: every service is in its environment`]),
    ]),
    ...manifests
      .of(ServiceAccount)
      .filter(({ automountServiceAccountToken }) => automountServiceAccountToken !== false)
      .map((account) => `${titleOf(account)}: its pods get a token`),
    ...(originOf(manifests)?.spec.serviceAccountName === ORIGIN
      ? []
      : ["the origin has no account of its own"]),
  ],
};
