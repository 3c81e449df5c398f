/** Checks of the origin's configuration, and of objects that must agree with it. */

import { ExternalSecret } from "@kubernetes-models/external-secrets/external-secrets.io/v1/ExternalSecret";
import { Gateway } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/Gateway";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { Ingress } from "kubernetes-models/networking.k8s.io/v1/Ingress";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import type { IContainer } from "kubernetes-models/v1/Container";
import { allKeys } from "../../../src/origin/config/schema.ts";
import { environmentOf, originConfiguration } from "../support/environment.ts";
import { type Check, faultsOf, titleOf } from "../support/manifests.ts";
import { ORIGIN, originContainer, originOf, podsOf, workloadsOf } from "../support/pods.ts";
import { matches } from "../support/selector.ts";

/** Variables of Node. */
const OTHERS = /^(NODE_OPTIONS|NODE_ENV|TZ)$/;

/** Variables that another one includes, as `$(NAME)`. */
const includedIn = ({ env = [] }: IContainer): (string | undefined)[] =>
  env.flatMap(({ value = "" }) => [...value.matchAll(/\$\((\w+)\)/g)].map(([, name]) => name));

/** The origin accepts its file and its environment, and listens on its container's ports. */
export const configuration: Check = (manifests) => {
  const container = originContainer(manifests);
  const reading = originConfiguration(manifests);
  if (container === undefined || reading === undefined) return ["there is no origin"];
  if (!reading.ok) return [reading.message];
  const { host, port, adminPort } = reading.value.server;
  const portOf = (wanted: string): number | undefined =>
    container.ports?.find(({ name }) => name === wanted)?.containerPort;
  const [http, metrics] = [portOf("http"), portOf("metrics")];
  const known = ["CONFIG_FILE", ...allKeys.flatMap(({ variables }) => variables)];
  const included = includedIn(container);
  const unknown = Object.keys(environmentOf(manifests, container)).filter(
    (name) => !known.includes(name) && !included.includes(name) && !OTHERS.test(name),
  );
  return [
    ...reading.warnings,
    ...faultsOf("the origin", {
      [`its port is ${port}, but its container's port http is ${http}`]: http !== port,
      [`its admin port is ${adminPort}, but its container's port metrics is ${metrics}`]:
        metrics !== adminPort,
      [`${host} is unreachable from outside the pod`]: !["0.0.0.0", "::"].includes(host),
      [`unknown variables: ${unknown.join(", ")}`]: unknown.length > 0,
    }),
  ];
};

/** The host of requests is one of the origin's authorities, and of the certificate. */
export const hosts: Check = (manifests) => {
  const reading = originConfiguration(manifests);
  if (reading?.ok !== true) return [];
  const { authorities } = reading.value.server;
  const faultsIn = (title: string, names: readonly (string | undefined)[]): string[] =>
    names
      .filter((name) => name === undefined || !authorities.includes(name))
      .map((name) => `${title}: ${name ?? "any host"} is not among ${authorities.join(", ")}`);
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

/** An origin that guards itself identifies clients, and not the proxy in front, by their address. */
export const clients: Check = (manifests) => {
  const reading = originConfiguration(manifests);
  if (reading?.ok !== true) return [];
  const { guards, clientAddressHeader } = reading.value.server;
  const isBehindProxy = manifests.of(Gateway).length + manifests.of(Ingress).length > 0;
  return faultsOf("the origin", {
    "all its clients have the proxy's address: one limit, and one block for all":
      guards === "origin" && isBehindProxy && clientAddressHeader === undefined,
  });
};

const HASHED = /-[bcdfghkmt2456789]{10}$/;

/** A changed ConfigMap has a new name, and so rolls the pods. */
export const hashed: Check = (manifests) =>
  podsOf(manifests).flatMap(({ title, spec, containers }) =>
    [
      ...(spec.volumes ?? []).map(({ configMap }) => configMap?.name),
      ...containers.flatMap(({ envFrom = [], env = [] }) => [
        ...envFrom.map(({ configMapRef }) => configMapRef?.name),
        ...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef?.name),
      ]),
    ]
      .filter((name) => name !== undefined && !HASHED.test(name))
      .map((name) => `${title}: a change of the ConfigMap ${name} reaches no running pod`),
  );

/** Of Stakater's Reloader: it restarts the pods when one of these Secrets changes. */
const RELOAD = "secret.reloader.stakater.com/reload";

/** A Secret that is rotated in a store reaches the running pods, too, not only new ones. */
export const rotation: Check = (manifests) => {
  const created = manifests.of(ExternalSecret).flatMap(({ spec }) => spec?.target?.name ?? []);
  const origin = workloadsOf(manifests).find(({ metadata }) => metadata?.name === ORIGIN);
  const reloaded = origin?.metadata?.annotations?.[RELOAD]?.split(",") ?? [];
  return [
    ...created
      .filter((name) => !reloaded.includes(name))
      .map((name) => `a rotation of ${name} reaches no running pod`),
    ...reloaded
      .filter((name) => !created.includes(name))
      .map((name) => `no ExternalSecret creates ${name}, which ${RELOAD} names`),
  ];
};

/** Makes a namespace one that the alert rules watch (`monitored:namespaces` in container/rules/recorded.yaml). */
const MARK = "breakwater-monitoring";

/** With the operator, every pod with metrics has a monitor: otherwise its alerts have no data. */
const unscraped: Check = (manifests) => {
  const monitors = manifests.of(PodMonitor);
  return podsOf(manifests)
    .filter(
      ({ ports, labels }) => ports["metrics"] && !monitors.some(({ spec }) => matches(spec.selector, labels)),
    )
    .map(({ title }) => `no PodMonitor scrapes ${title}`);
};

/** The origin's metrics are scraped once: by annotations, or by the operator, whose rules watch the namespace. */
export const scrape: Check = (manifests) => {
  const origin = originOf(manifests);
  const reading = originConfiguration(manifests);
  if (origin === undefined || reading?.ok !== true) return [];
  const monitors = manifests.of(PodMonitor).filter(({ spec }) => matches(spec.selector, origin.labels));
  if (monitors.length > 1) return ["two PodMonitors scrape the same pods"];
  if (monitors.length === 1)
    return [
      ...unscraped(manifests),
      ...Object.keys(origin.annotations)
        .filter((key) => key.startsWith("prometheus.io/"))
        .map((key) => `the annotation ${key} duplicates the PodMonitor`),
      ...(manifests
        .of(ConfigMap)
        .some(({ metadata }) => metadata?.name === MARK && metadata.namespace === origin.namespace)
        ? []
        : [`without the ConfigMap ${MARK}, no alert reports that every origin is missing`]),
    ];
  const port = origin.annotations["prometheus.io/port"];
  return faultsOf(origin.title, {
    "its metrics are not scraped": origin.annotations["prometheus.io/scrape"] !== "true",
    [`its metrics are not on port ${port}`]: port !== String(reading.value.server.adminPort),
    "its metrics are at /metrics": origin.annotations["prometheus.io/path"] !== "/metrics",
  });
};
