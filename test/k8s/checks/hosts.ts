/** The host by which requests come in is the one that the origin answers to, and that its certificate is for. */
import { Gateway } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/Gateway";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { Ingress } from "kubernetes-models/networking.k8s.io/v1/Ingress";
import type { Check } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";
import { originConfiguration } from "../support/origin-configuration.ts";

export const hosts: Check = {
  name: "hosts",
  find: (manifests) => {
    const reading = originConfiguration(manifests);
    if (reading?.ok !== true) return [];
    const { authorities } = reading.value.server;
    const routed = [
      ...manifests.of(Gateway).map((gateway) => ({
        title: titleOf(gateway),
        names: gateway.spec.listeners.map(({ hostname }) => hostname),
      })),
      ...manifests
        .of(HTTPRoute)
        .map((route) => ({ title: titleOf(route), names: route.spec.hostnames ?? [] })),
      ...manifests.of(Ingress).map((ingress) => ({
        title: titleOf(ingress),
        names: [
          ...(ingress.spec?.rules ?? []).map(({ host }) => host),
          ...(ingress.spec?.tls ?? []).flatMap((tls) => tls.hosts ?? []),
        ],
      })),
    ];
    return routed.flatMap(({ title, names }) =>
      names
        .filter((name) => name === undefined || !authorities.includes(name))
        .map(
          (name) => `${title}: requests for ${name ?? "any host"} are not among ${authorities.join(", ")}`,
        ),
    );
  },
};
