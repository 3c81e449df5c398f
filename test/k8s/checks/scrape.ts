/** The origin's metrics are read once: by annotations, or by the operator. */
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { type Check, faultsOf } from "../support/check.ts";
import { originConfiguration } from "../support/origin-configuration.ts";
import { originOf } from "../support/pods.ts";
import { matches } from "../support/selector.ts";

export const scrape: Check = (manifests) => {
  const origin = originOf(manifests);
  const reading = originConfiguration(manifests);
  if (origin === undefined || reading?.ok !== true) return [];
  const monitors = manifests.of(PodMonitor).filter(({ spec }) => matches(spec.selector, origin.labels));
  if (monitors.length > 1) return ["two PodMonitors read the same pods"];
  if (monitors.length === 1)
    return Object.keys(origin.annotations)
      .filter((key) => key.startsWith("prometheus.io/"))
      .map((key) => `beside the PodMonitor there is the annotation ${key}`);
  const port = origin.annotations["prometheus.io/port"];
  return faultsOf(origin.title, {
    "nobody reads the metrics": origin.annotations["prometheus.io/scrape"] !== "true",
    [`the metrics are not on port ${port}`]: port !== String(reading.value.server.adminPort),
    "the metrics are at /metrics": origin.annotations["prometheus.io/path"] !== "/metrics",
  });
};
