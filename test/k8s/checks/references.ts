/** Every referenced ConfigMap, Secret, key, account, volume, service, port and route exists. */
import { Gateway } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/Gateway";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import { Ingress } from "kubernetes-models/networking.k8s.io/v1/Ingress";
import { PriorityClass } from "kubernetes-models/scheduling.k8s.io/v1/PriorityClass";
import type { IContainer } from "kubernetes-models/v1/Container";
import { Service } from "kubernetes-models/v1/Service";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { configMapData, secretData } from "../support/environment.ts";
import { type Check, type Manifests, titleOf } from "../support/manifests.ts";
import { type Pods, podsOf } from "../support/pods.ts";
import { matches } from "../support/selector.ts";

const environmentFaults = (manifests: Manifests, { env = [], envFrom = [] }: IContainer): string[] => {
  const fromAll = envFrom.flatMap(({ configMapRef, secretRef }) => {
    if (configMapRef && configMapData(manifests, configMapRef.name) === undefined)
      return [`there is no ConfigMap ${configMapRef.name}`];
    if (secretRef && secretData(manifests, secretRef.name) === undefined)
      return [`there is no Secret ${secretRef.name}`];
    return [];
  });
  const before = new Set(
    envFrom.flatMap(({ configMapRef }) => Object.keys(configMapData(manifests, configMapRef?.name) ?? {})),
  );
  const fromKeys = env.flatMap(({ name, value = "", valueFrom }) => {
    const { configMapKeyRef: map, secretKeyRef: secret } = valueFrom ?? {};
    const unknown = [...value.matchAll(/\$\((\w+)\)/g)].filter(([, other = ""]) => !before.has(other));
    before.add(name);
    if (map && configMapData(manifests, map.name)?.[map.key] === undefined)
      return [`${name}: there is no key ${map.key} in a ConfigMap ${map.name}`];
    if (secret && secret.optional !== true && secretData(manifests, secret.name)?.[secret.key] === undefined)
      return [`${name}: there is no key ${secret.key} in a Secret ${secret.name}`];
    return unknown.map(([written]) => `${name}: ${written} is not defined before it`);
  });
  return [...fromAll, ...fromKeys];
};

const volumeFaults = (manifests: Manifests, { title, spec, containers }: Pods): string[] => {
  const claims = manifests
    .of(StatefulSet)
    .filter((object) => titleOf(object) === title)
    .flatMap((object) => object.spec?.volumeClaimTemplates?.map(({ metadata }) => metadata?.name) ?? []);
  const volumes = [...(spec.volumes ?? []).map(({ name }) => name), ...claims];
  const mounted = containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
  return [
    ...mounted.filter((name) => !volumes.includes(name)).map((name) => `there is no volume ${name}`),
    ...volumes.filter((name) => !mounted.includes(name ?? "")).map((name) => `${name} is not mounted`),
    ...(spec.volumes ?? [])
      .filter(({ configMap }) => configMap && configMapData(manifests, configMap.name) === undefined)
      .map(({ configMap }) => `there is no ConfigMap ${configMap?.name}`),
    ...(spec.volumes ?? [])
      .filter(({ secret }) => secret && secretData(manifests, secret.secretName) === undefined)
      .map(({ secret }) => `there is no Secret ${secret?.secretName}`),
  ];
};

const priorityFaults = (manifests: Manifests, { spec: { priorityClassName: name } }: Pods): string[] =>
  name === undefined || manifests.of(PriorityClass).some(({ metadata }) => metadata?.name === name)
    ? []
    : [`there is no PriorityClass ${name}`];

const podFaults = (manifests: Manifests, pods: Pods): string[] => {
  const { title, spec, containers, namespace } = pods;
  const account = spec.serviceAccountName;
  const accounts = manifests.of(ServiceAccount).filter(({ metadata }) => metadata?.namespace === namespace);
  return [
    ...(account === undefined || accounts.some(({ metadata }) => metadata?.name === account)
      ? []
      : [`there is no ServiceAccount ${account}`]),
    ...containers.flatMap((container) => environmentFaults(manifests, container)),
    ...volumeFaults(manifests, pods),
    ...priorityFaults(manifests, pods),
  ].map((fault) => `${title}: ${fault}`);
};

const routeFaults = (manifests: Manifests): string[] => {
  const backendFaults = (title: string, service = "", port: string | number | undefined = ""): string[] =>
    manifests
      .of(Service)
      .some(
        ({ metadata, spec }) =>
          metadata?.name === service && spec?.ports?.some((each) => each.port === port || each.name === port),
      )
      ? []
      : [`${title}: there is no Service ${service} with the port ${port}`];
  const ofIngresses = manifests
    .of(Ingress)
    .flatMap((ingress) =>
      (ingress.spec?.rules ?? [])
        .flatMap(({ http }) => http?.paths ?? [])
        .flatMap(({ backend: { service } }) =>
          backendFaults(titleOf(ingress), service?.name, service?.port?.name ?? service?.port?.number),
        ),
    );
  const listeners = manifests
    .of(Gateway)
    .flatMap(({ metadata, spec }) =>
      [undefined, ...spec.listeners].map((listener) => `${metadata?.name} ${listener?.name ?? ""}`),
    );
  const ofRoutes = manifests.of(HTTPRoute).flatMap((route) => [
    ...(route.spec.parentRefs ?? [])
      .map(({ name, sectionName = "" }) => `${name} ${sectionName}`)
      .filter((parent) => !listeners.includes(parent))
      .map((parent) => `${titleOf(route)}: there is no Gateway ${parent}`),
    ...(route.spec.rules ?? [])
      .flatMap(({ backendRefs = [] }) => backendRefs)
      .flatMap(({ name, port }) => backendFaults(titleOf(route), name, port)),
  ]);
  return [...ofIngresses, ...ofRoutes];
};

/** The ports of selected pods. */
const portFaults = (manifests: Manifests): string[] => {
  const pods = podsOf(manifests);
  const faultsIn = (
    title: string,
    selector: Parameters<typeof matches>[0],
    target: string | number | undefined,
  ): string[] =>
    pods
      .filter(({ labels }) => matches(selector, labels))
      .filter(({ containers }) =>
        containers
          .flatMap(({ ports = [] }) => ports)
          .every(({ name, containerPort }) => name !== target && containerPort !== target),
      )
      .map((selected) => `${title}: ${selected.title} has no port ${target}`);
  return [
    ...manifests
      .of(Service)
      .flatMap((service) =>
        (service.spec?.ports ?? []).flatMap(({ targetPort, port }) =>
          faultsIn(titleOf(service), { matchLabels: service.spec?.selector ?? {} }, targetPort ?? port),
        ),
      ),
    ...manifests
      .of(PodMonitor)
      .flatMap((monitor) =>
        (monitor.spec.podMetricsEndpoints ?? []).flatMap(({ port }) =>
          faultsIn(titleOf(monitor), monitor.spec.selector, port),
        ),
      ),
  ];
};

/** The names of a StatefulSet's pods resolve only by a headless Service. */
const headlessFaults = (manifests: Manifests): string[] =>
  manifests
    .of(StatefulSet)
    .filter(
      ({ spec }) =>
        !manifests
          .of(Service)
          .some(
            (service) => service.metadata?.name === spec?.serviceName && service.spec?.clusterIP === "None",
          ),
    )
    .map((object) => `${titleOf(object)}: there is no headless Service ${object.spec?.serviceName}`);

export const references: Check = (manifests) => [
  ...podsOf(manifests).flatMap((pods) => podFaults(manifests, pods)),
  ...routeFaults(manifests),
  ...portFaults(manifests),
  ...headlessFaults(manifests),
];
