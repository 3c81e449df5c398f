/** No pod carries a token of the cluster, nor the addresses of every service in its environment. */
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { type Check, faultsOf } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";
import { ORIGIN, originOf, podsOf } from "../support/pods.ts";

export const identity: Check = (manifests) => [
  ...podsOf(manifests).flatMap(({ title, spec }) =>
    faultsOf(title, {
      "it gets a token of the cluster": spec.automountServiceAccountToken !== false,
      "every service is in its environment": spec.enableServiceLinks !== false,
    }),
  ),
  ...manifests
    .of(ServiceAccount)
    .filter(({ automountServiceAccountToken }) => automountServiceAccountToken !== false)
    .map((account) => `${titleOf(account)}: its pods get a token`),
  ...faultsOf("the origin", {
    "it has no account of its own": originOf(manifests)?.spec.serviceAccountName !== ORIGIN,
  }),
];
