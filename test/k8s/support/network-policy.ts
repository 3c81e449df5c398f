/**
 * The semantics of NetworkPolicies (https://kubernetes.io/docs/concepts/services-networking/network-policies/): pods that no
 * policy selects are open, selected pods allow the union of their policies' rules, and both ends must allow a connection.
 */
import { BlockList, isIPv6 } from "node:net";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import type { INetworkPolicyPeer } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicyPeer";
import type { INetworkPolicyPort } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicyPort";
import { Namespace } from "kubernetes-models/v1/Namespace";
import type { Manifests } from "./manifests.ts";
import { matches } from "./selector.ts";

export interface PodEnd {
  readonly labels: Readonly<Record<string, string>>;
  /** Undefined for the default one. */
  readonly namespace: string | undefined;
  /** Ports by name. */
  readonly ports?: Readonly<Record<string, number>>;
}

/** An end outside the cluster has an address; a pod has none, so no `ipBlock` matches it. */
export type End = PodEnd | { readonly address: string };

export interface Connection {
  readonly from: End;
  readonly to: End;
  readonly port: number;
  /** @default "TCP" */
  readonly protocol?: "TCP" | "UDP";
}

const isPod = (end: End): end is PodEnd => "labels" in end;

const contains = (cidr: string, address: string): boolean => {
  const [network = "", bits = ""] = cidr.split("/");
  const list = new BlockList();
  list.addSubnet(network, Number(bits), isIPv6(network) ? "ipv6" : "ipv4");
  return isIPv6(network) === isIPv6(address) && list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
};

const namespaceLabels = (manifests: Manifests, name: string | undefined): Record<string, string> => ({
  ...manifests.of(Namespace).find(({ metadata }) => metadata?.name === name)?.metadata?.labels,
  "kubernetes.io/metadata.name": name ?? "",
});

/** @param home the policy's own namespace */
const isPeer = (
  manifests: Manifests,
  { ipBlock, namespaceSelector, podSelector }: INetworkPolicyPeer,
  end: End,
  home: string | undefined,
): boolean => {
  if (!isPod(end)) {
    if (ipBlock === undefined) return false;
    const isExcepted = (ipBlock.except ?? []).some((cidr) => contains(cidr, end.address));
    return contains(ipBlock.cidr, end.address) && !isExcepted;
  }
  if (ipBlock !== undefined) return false;
  const isThere =
    namespaceSelector === undefined
      ? end.namespace === home
      : matches(namespaceSelector, namespaceLabels(manifests, end.namespace));
  return isThere && matches(podSelector ?? {}, end.labels);
};

/** The name of a port is one of the destination's. */
const portNumber = (destination: End, port: string | number | undefined): number | undefined =>
  typeof port === "string" ? (isPod(destination) ? destination.ports?.[port] : undefined) : port;

const isPort = (destination: End, port: number, protocol: string, allowed: INetworkPolicyPort): boolean => {
  if ((allowed.protocol ?? "TCP") !== protocol) return false;
  if (allowed.port === undefined) return true;
  const first = portNumber(destination, allowed.port);
  return first !== undefined && first <= port && port <= (allowed.endPort ?? first);
};

const isAllowedAt = (
  manifests: Manifests,
  end: End,
  other: End,
  direction: "Ingress" | "Egress",
  port: number,
  protocol: string,
): boolean => {
  if (!isPod(end)) return true;
  const policies = manifests
    .of(NetworkPolicy)
    .filter(
      ({ metadata, spec }) =>
        metadata?.namespace === end.namespace &&
        matches(spec?.podSelector, end.labels) &&
        spec?.policyTypes?.includes(direction),
    );
  if (policies.length === 0) return true;
  return policies.some(({ metadata, spec }) => {
    const rules =
      direction === "Ingress"
        ? (spec?.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
        : (spec?.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
    return rules.some(
      ({ peers, ports }) =>
        // An empty or missing list allows everything.
        (!peers?.length || peers.some((peer) => isPeer(manifests, peer, other, metadata?.namespace))) &&
        (!ports?.length ||
          ports.some((allowed) => isPort(direction === "Ingress" ? end : other, port, protocol, allowed))),
    );
  });
};

export const isAllowed = (manifests: Manifests, { from, to, port, protocol = "TCP" }: Connection): boolean =>
  isAllowedAt(manifests, from, to, "Egress", port, protocol) &&
  isAllowedAt(manifests, to, from, "Ingress", port, protocol);
