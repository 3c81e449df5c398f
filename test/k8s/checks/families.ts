/** Everything works with IPv6 only, IPv4 only, and both. */
import { Service } from "kubernetes-models/v1/Service";
import { originConfiguration } from "../support/environment.ts";
import { type Check, faultsOf, titleOf } from "../support/manifests.ts";
import { podsOf } from "../support/pods.ts";

/** Programs in Go listen on both families at 0.0.0.0; Node does so only at ::. */
export const families: Check = (manifests) => {
  const origin = originConfiguration(manifests);
  return [
    ...faultsOf("the origin", {
      "it listens on IPv4 only: no pod of an IPv6-only cluster becomes ready":
        origin?.ok === true && origin.value.server.host !== "::",
    }),
    ...podsOf(manifests)
      .filter(({ name }) => name === "cloudflared")
      .filter(({ containers }) => !containers[0]?.args?.includes("--edge-ip-version=auto"))
      .map(({ title }) => `${title}: it reaches Cloudflare over IPv4 only`),
    ...manifests
      .of(Service)
      .filter(({ spec }) => spec?.clusterIP !== "None" && spec?.ipFamilyPolicy !== "PreferDualStack")
      .map((service) => `${titleOf(service)}: it has one family in a cluster that has both`),
  ];
};
