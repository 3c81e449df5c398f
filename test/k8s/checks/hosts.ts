/** The host by which requests come in is the one that the origin answers to, and that its certificate is for. */
import { Gateway } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/Gateway";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { Ingress } from "kubernetes-models/networking.k8s.io/v1/Ingress";
import type { Check } from "../support/check.ts";
import { titleOf } from "../support/manifests.ts";
import { originConfiguration } from "../support/origin-configuration.ts";

export const hosts: Check = (manifests) => {
  const reading = originConfiguration(manifests);
  if (reading?.ok !== true) return [];
  const { authorities } = reading.value.server;
  const faultsIn = (title: string, names: readonly (string | undefined)[]): string[] =>
    names
      .filter((name) => name === undefined || !authorities.includes(name))
      .map((name) => `${title}: requests for ${name ?? "any host"} are not among ${authorities.join(", ")}`);
  return [
    ...manifests.of(Gateway).flatMap((gateway) =>
      faultsIn(
        titleOf(gateway),
        gateway.spec.listeners.map(({ hostname }) => hostname),
      ),
    ),
    ...manifests.of(HTTPRoute).flatMap((route) => faultsIn(titleOf(route), route.spec.hostnames ?? [])),
    ...manifests.of(Ingress).flatMap((ingress) => {
      const { rules = [], tls = [] } = ingress.spec ?? {};
      return faultsIn(titleOf(ingress), [
        ...rules.map(({ host }) => host),
        ...tls.flatMap(({ hosts = [] }) => hosts),
      ]);
    }),
  ];
};
