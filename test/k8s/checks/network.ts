/** The policies of both ends allow every required connection, and no other. */
import { Gateway } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/Gateway";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { Ingress } from "kubernetes-models/networking.k8s.io/v1/Ingress";
import { Service } from "kubernetes-models/v1/Service";
import { collectorsOf } from "../support/collectors.ts";
import { originConfiguration } from "../support/environment.ts";
import type { Check, Manifests } from "../support/manifests.ts";
import { type Connection, type End, isAllowed, type PodEnd } from "../support/network-policy.ts";
import { BACKUP, MIGRATION, ORIGIN, type Pods, podsOf, RESTORE } from "../support/pods.ts";
import { matches } from "../support/selector.ts";

interface Flow extends Connection {
  readonly what: string;
}

const pod = (namespace: string | undefined, labels: Record<string, string> = {}): PodEnd => ({
  namespace,
  labels,
});

const COREDNS = pod("kube-system", { "k8s-app": "kube-dns" });

/** Where clusters answer DNS: their pods, the node's cache, or the cloud, each with its port. */
const RESOLVERS: Readonly<Record<string, readonly [End, number]>> = {
  CoreDNS: [COREDNS, 53],
  "GKE's Cloud DNS": [{ address: "169.254.169.254" }, 53],
  "NodeLocal DNSCache": [{ address: "169.254.20.10" }, 53],
  "NodeLocal DNSCache at the Service's address": [{ address: "10.96.0.10" }, 53],
  "NodeLocal DNSCache at the Service's address on EKS": [{ address: "172.20.0.10" }, 53],
  "NodeLocal DNSCache at the Service's address on GKE": [{ address: "34.118.224.10" }, 53],
  "NodeLocal DNSCache at the Service's IPv6 address": [{ address: "fd00:10:96::a" }, 53],
  "OpenShift's DNS": [pod("openshift-dns", { "dns.operator.openshift.io/daemonset-dns": "default" }), 5353],
};
const MONITORING = pod("monitoring");
/** Any address in the internet (a documentation address, RFC 5737). */
const OUTSIDE: End = { address: "203.0.113.10" };
/** The clouds' metadata services, which hand out credentials. */
const CREDENTIALS: readonly End[] = [{ address: "169.254.169.254" }, { address: "fd00:ec2::254" }];

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  "postgres:": 5432,
  "postgresql:": 5432,
  "redis:": 6379,
  "rediss:": 6379,
  "http:": 80,
  "https:": 443,
};

/** The pods and the port of a service in the manifests, otherwise an address outside. */
const destination = (manifests: Manifests, hostname: string, port: number): { to: End; port: number } => {
  const service = manifests.of(Service).find(({ metadata }) => metadata?.name === hostname.split(".")[0]);
  const target = podsOf(manifests).find(({ labels }) =>
    matches({ matchLabels: service?.spec?.selector ?? { none: "" } }, labels),
  );
  if (service === undefined || target === undefined) return { to: OUTSIDE, port };
  const { targetPort } = service.spec?.ports?.find((each) => each.port === port) ?? {};
  const ports = target.containers.flatMap((container) => container.ports ?? []);
  const named = ports.find(({ name, containerPort }) => name === targetPort || containerPort === targetPort);
  return { to: target, port: named?.containerPort ?? port };
};

const originFlows = (manifests: Manifests, from: Pods): Flow[] => {
  const reading = originConfiguration(manifests);
  if (reading?.ok !== true) return [];
  const { database, redis, observability } = reading.value;
  const urls = { PostgreSQL: database.url, Redis: redis.url, "the collector": observability.otlpEndpoint };
  return Object.entries(urls).flatMap(([what, written]) => {
    if (written === undefined) return [];
    const { hostname, port, protocol } = new URL(written);
    const wanted = port === "" ? (DEFAULT_PORTS[protocol] ?? 0) : Number(port);
    return { what: `${from.title} cannot reach ${what}`, from, ...destination(manifests, hostname, wanted) };
  });
};

/** The senders of requests in the manifests. */
const waysIn = (manifests: Manifests, { namespace }: Pods): Record<string, End> => ({
  ...(manifests.of(Gateway).length > 0
    ? { "the gateway": pod(namespace, { "gateway.networking.k8s.io/gateway-name": "web-api" }) }
    : {}),
  ...(manifests.of(Ingress).length > 0
    ? { "ingress-nginx": pod("ingress-nginx", { "app.kubernetes.io/name": "ingress-nginx" }) }
    : {}),
  ...Object.fromEntries(
    podsOf(manifests)
      .filter(({ name }) => name === "cloudflared")
      .map((pods) => ["cloudflared", pods]),
  ),
});

/** The edge's telemetry arrives through the tunnel or a route, and is forwarded to the collector. */
const edgeTelemetryFlows = (manifests: Manifests, pods: Pods): Flow[] => {
  const isRouted = manifests
    .of(HTTPRoute)
    .some(({ spec }) => spec.rules?.some((rule) => rule.backendRefs?.some(({ name }) => name === pods.name)));
  const port = pods.ports["otlp-http"] ?? 0;
  return [
    ...Object.entries(waysIn(manifests, pods))
      .filter(([who]) => who === "cloudflared" || (who === "the gateway" && isRouted))
      .map(([who, from]) => ({ what: `${who} cannot reach ${pods.title}`, ...{ from, to: pods, port } })),
    {
      what: `${pods.title} cannot reach the collector`,
      ...{ from: pods, ...destination(manifests, "otel-collector", 4317) },
    },
  ];
};

/** Outside of the manifests. */
const backendFlows = (manifests: Manifests, { title, name }: Pods): Flow[] =>
  collectorsOf(manifests)
    .filter(({ pods }) => pods.name === name)
    .flatMap(({ pods: from, destinations }) =>
      destinations.flatMap(({ pipeline, endpoint }) => {
        if (!endpoint?.includes("://")) return [];
        const { protocol, port } = new URL(endpoint);
        return [
          {
            what: `${title} cannot reach ${endpoint}, where ${pipeline} go,`,
            ...{ from, to: OUTSIDE, port: Number(port) || (DEFAULT_PORTS[protocol] ?? 0) },
          },
        ];
      }),
    );

/** The collector may be in another namespace, which its address names. */
const logFlows = (pods: Pods): Flow[] => {
  const address = pods.containers[0]?.env?.find(({ name }) => name === "OTEL_COLLECTOR")?.value ?? "";
  const [, service = "", namespace = "", port] = /^([\w-]+)\.([\w-]+):(\d+)$/.exec(address) ?? [];
  const to = pod(namespace, { "app.kubernetes.io/name": service, "app.kubernetes.io/part-of": "breakwater" });
  return [
    {
      what: `${pods.title} cannot reach the collector at ${address}`,
      ...{ from: pods, to, port: Number(port) },
    },
  ];
};

const wanted = (manifests: Manifests, pods: Pods): Flow[] => {
  const { title, name, ports } = pods;
  const { http } = ports;
  const scraped = [ports["metrics"], ports["edge-metrics"]].filter((port) => port !== undefined);
  return [
    ...Object.entries(RESOLVERS).flatMap(([resolver, [to, port]]) =>
      (["UDP", "TCP"] as const).map((protocol) => ({
        what: `${title} cannot reach ${resolver} over ${protocol}`,
        ...{ from: pods, to, port, protocol },
      })),
    ),
    ...scraped.map((port) => ({
      what: `Prometheus cannot reach ${title}`,
      ...{ from: MONITORING, to: pods, port },
    })),
    ...(name === ORIGIN ? originFlows(manifests, pods) : []),
    ...(name === MIGRATION || name === BACKUP || name === RESTORE
      ? originFlows(manifests, pods).filter(({ what }) => what.endsWith("cannot reach PostgreSQL"))
      : []),
    ...(name === RESTORE
      ? originFlows(manifests, pods).filter(({ what }) => what.endsWith("cannot reach Redis"))
      : []),
    ...(name === BACKUP || name === RESTORE
      ? [{ what: `${title} cannot reach its storage`, ...{ from: pods, to: OUTSIDE, port: 443 } }]
      : []),
    ...(name === ORIGIN && http !== undefined
      ? Object.entries(waysIn(manifests, pods)).map(([who, from]) => ({
          what: `${who} cannot reach ${title}`,
          ...{ from, to: pods, port: http },
        }))
      : []),
    ...(name === "otel-collector" ? backendFlows(manifests, pods) : []),
    ...(name === "edge-collector" ? edgeTelemetryFlows(manifests, pods) : []),
    ...(name === "log-collector" ? logFlows(pods) : []),
    ...(name === "cloudflared"
      ? (["UDP", "TCP"] as const).map((protocol) => ({
          what: `${title} cannot reach Cloudflare over ${protocol}`,
          ...{ from: pods, to: OUTSIDE, port: 7844, protocol },
        }))
      : []),
  ];
};

const unwanted = (pods: Pods): Flow[] => {
  const strangers: readonly (readonly [string, End])[] = [
    ["any pod in the cluster", pod("strangers")],
    ["any pod in its namespace", pod(pods.namespace)],
    ["the internet", OUTSIDE],
  ];
  const inbound = strangers.flatMap(([who, from]) =>
    pods.containers
      .flatMap(({ ports = [] }) => ports)
      .map(({ containerPort }) => ({
        what: `${who} can reach ${pods.title}`,
        ...{ from, to: pods, port: containerPort },
      })),
  );
  const outbound = [COREDNS, OUTSIDE].map((to) => ({
    what: `${pods.title} can reach any port`,
    ...{ from: pods, to, port: 25 },
  }));
  const toCredentials = CREDENTIALS.flatMap((to) =>
    [80, 443, 5432].map((port) => ({
      what: `${pods.title} can reach the cloud's credentials`,
      ...{ from: pods, to, port },
    })),
  );
  return [...inbound, ...outbound, ...toCredentials];
};

export const network: Check = (manifests) =>
  podsOf(manifests).flatMap((pods) => [
    ...wanted(manifests, pods)
      .filter((flow) => !isAllowed(manifests, flow))
      .map(({ what, port }) => `${what} on port ${port}`),
    ...unwanted(pods)
      .filter((flow) => isAllowed(manifests, flow))
      .map(({ what, port }) => `${what} on port ${port}`),
  ]);
