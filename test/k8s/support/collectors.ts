/** The collectors among the pods, and where each of their pipelines sends. */
import { parse } from "yaml";
import { z } from "zod";
import { mergedConfiguration } from "../../container/support/collector.ts";
import { environmentOf, mountedFile } from "./environment.ts";
import type { Manifests } from "./manifests.ts";
import { type Pods, podsOf } from "./pods.ts";

const configuration = z.object({
  exporters: z.record(
    z.string(),
    z.object({ endpoint: z.string().optional(), logs_endpoint: z.string().optional() }),
  ),
  service: z.object({ pipelines: z.record(z.string(), z.object({ exporters: z.array(z.string()) })) }),
});

export interface Destination {
  /** Such as `traces`. */
  readonly pipeline: string;
  /** Such as `otlp_grpc`. */
  readonly exporter: string;
  /** With the container's variables; undefined for an exporter that only logs. */
  readonly endpoint: string | undefined;
}

export interface Collector {
  readonly pods: Pods;
  readonly destinations: readonly Destination[];
}

const FILE = /^--config=/;

/** Every container whose arguments name a collector's configuration. */
export const collectorsOf = (manifests: Manifests): Collector[] =>
  podsOf(manifests).flatMap((pods) =>
    pods.containers.flatMap((container) => {
      const paths = (container.args ?? [])
        .filter((arg) => FILE.test(arg))
        .map((arg) => arg.replace(FILE, ""));
      if (paths.length === 0) return [];
      const files = paths.map((path) => mountedFile(manifests, pods.spec, container, path));
      const merged = files.map((text): unknown => parse(text ?? "")).reduce(mergedConfiguration);
      const { exporters, service } = configuration.parse(merged);
      const environment = environmentOf(manifests, container);
      const filled = (text: string | undefined): string | undefined =>
        text?.replace(/\$\{env:(\w+)\}/g, (_, name) => environment[name] ?? "");
      // Like the exporter: an empty address counts as none.
      const endpointOf = (exporter: string, pipeline: string): string | undefined =>
        (pipeline === "logs" && filled(exporters[exporter]?.logs_endpoint)) ||
        filled(exporters[exporter]?.endpoint);
      const destinations = Object.entries(service.pipelines).flatMap(([pipeline, { exporters: names }]) =>
        names.map((exporter) => ({ pipeline, exporter, endpoint: endpointOf(exporter, pipeline) })),
      );
      return [{ pods, destinations }];
    }),
  );
