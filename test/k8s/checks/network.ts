/**
 * Every pod is closed but for what policies open; what it needs is open: DNS, the ports of what it is told to use,
 * those that somebody serves from it and that are scraped.
 */
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { Ingress } from "kubernetes-models/networking.k8s.io/v1/Ingress";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import type { Check } from "../support/check.ts";
import type { Manifests } from "../support/manifests.ts";
import { originConfiguration } from "../support/origin-configuration.ts";
import { ORIGIN, type Pods, podsOf } from "../support/pods.ts";
import { matches } from "../support/selector.ts";

type Direction = "Ingress" | "Egress";

const policiesOf = (
  manifests: Manifests,
  { labels, namespace }: Pods,
): NonNullable<NetworkPolicy["spec"]>[] =>
  manifests
    .of(NetworkPolicy)
    .filter(({ metadata, spec }) => metadata?.namespace === namespace && matches(spec?.podSelector, labels))
    .flatMap(({ spec }) => spec ?? []);

const isOpen = (
  policies: readonly NonNullable<NetworkPolicy["spec"]>[],
  direction: Direction,
  port: number,
): boolean =>
  policies.some(({ ingress = [], egress = [] }) =>
    (direction === "Ingress" ? ingress : egress).some(
      ({ ports }) => ports === undefined || ports.some((each) => each.port === port),
    ),
  );

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  "postgres:": 5432,
  "postgresql:": 5432,
  "redis:": 6379,
  "rediss:": 6379,
  "http:": 80,
  "https:": 443,
};

/** Where the origin is told to connect to. */
const originNeeds = (manifests: Manifests): { what: string; port: number }[] => {
  const reading = originConfiguration(manifests);
  if (reading?.ok !== true) return [];
  const { database, redis, observability } = reading.value;
  const urls = { PostgreSQL: database.url, Redis: redis.url, "the collector": observability.otlpEndpoint };
  return Object.entries(urls).flatMap(([what, written]) => {
    if (written === undefined) return [];
    const { port, protocol } = new URL(written);
    return { what, port: port === "" ? (DEFAULT_PORTS[protocol] ?? 0) : Number(port) };
  });
};

const faultsOf = (manifests: Manifests, pods: Pods): string[] => {
  const policies = policiesOf(manifests, pods);
  const closed = (["Ingress", "Egress"] as const).filter(
    (direction) => !policies.some(({ policyTypes }) => policyTypes?.includes(direction)),
  );
  const needs =
    pods.name === ORIGIN
      ? [{ what: "DNS", port: 53 }, ...originNeeds(manifests)]
      : [{ what: "DNS", port: 53 }];
  const served =
    pods.name === ORIGIN && manifests.of(HTTPRoute).length + manifests.of(Ingress).length > 0 ? ["http"] : [];
  const scraped = pods.spec.containers
    .flatMap(({ ports = [] }) => ports)
    .filter(({ name = "" }) => name === "metrics" || served.includes(name))
    .filter(({ containerPort }) => !isOpen(policies, "Ingress", containerPort));
  return [
    ...closed.map((direction) => `no policy closes its ${direction.toLowerCase()}`),
    ...needs
      .filter(({ port }) => !isOpen(policies, "Egress", port))
      .map(({ what, port }) => `it cannot reach ${what} on port ${port}`),
    ...scraped.map(({ name, containerPort }) => `nobody can reach its port ${name}, ${containerPort}`),
  ].map((fault) => `${pods.title}: ${fault}`);
};

export const network: Check = {
  name: "network",
  find: (manifests) => podsOf(manifests).flatMap((pods) => faultsOf(manifests, pods)),
};
