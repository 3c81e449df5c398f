/** Checks of a collector's configuration without a collector. */
import { z } from "zod";

const components = z.record(z.string(), z.unknown()).default({});

const collector = z.object({
  receivers: components,
  processors: components,
  exporters: components,
  extensions: components,
  service: z.object({
    extensions: z.array(z.string()).default([]),
    pipelines: z.record(
      z.string(),
      z.object({
        receivers: z.array(z.string()).min(1),
        processors: z.array(z.string()),
        exporters: z.array(z.string()).min(1),
      }),
    ),
  }),
});

/** Components of opentelemetry-collector-contrib 0.159; an instance may have a name after a slash. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  receivers: ["otlp", "file_log", "fluentforward"],
  processors: ["memory_limiter", "batch", "tail_sampling", "transform", "groupbyattrs"],
  exporters: ["debug", "otlp_grpc", "otlp_http", "prometheus"],
  extensions: ["health_check", "file_storage", "bearertokenauth"],
};

type Tree = { readonly [key: string]: unknown };

const isTree = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Like the collector: merges maps key by key, and replaces everything else. */
export const mergedConfiguration = (first: unknown, second: unknown): unknown => {
  if (!isTree(first) || !isTree(second)) return second === undefined ? first : second;
  const keys = new Set([...Object.keys(first), ...Object.keys(second)]);
  return Object.fromEntries([...keys].map((key) => [key, mergedConfiguration(first[key], second[key])]));
};

const KINDS = ["receivers", "processors", "exporters"] as const;

/** @returns its faults */
export const collectorFaults = (value: unknown): string[] => {
  const { service, ...declared } = collector.parse(value);
  const pipelines = Object.values(service.pipelines);
  const used = {
    receivers: pipelines.flatMap(({ receivers }) => receivers),
    processors: pipelines.flatMap(({ processors }) => processors),
    exporters: pipelines.flatMap(({ exporters }) => exporters),
    extensions: service.extensions,
  };
  const perKind = ([...KINDS, "extensions"] as const).flatMap((kind) => {
    const names = Object.keys(declared[kind]);
    return [
      ...used[kind].filter((name) => !names.includes(name)).map((name) => `${kind}: ${name} is not declared`),
      ...names.filter((name) => !used[kind].includes(name)).map((name) => `${kind}: ${name} is not used`),
      ...names
        .filter((name) => !KNOWN[kind]?.includes(name.split("/")[0] ?? ""))
        .map((name) => `${kind}: ${name} is unknown`),
    ];
  });
  const unlimited = pipelines
    .filter(({ processors }) => processors[0] !== "memory_limiter")
    .map(() => "a pipeline does not begin with memory_limiter");
  const defaults = (["receivers", "extensions"] as const).flatMap((kind) =>
    Object.entries(declared[kind])
      .filter(([name]) => ["otlp", "health_check"].includes(name.split("/")[0] ?? ""))
      .filter(([, settings]) => !JSON.stringify(settings ?? {}).includes('"endpoint":'))
      .map(([name]) => `${kind}: ${name} listens on the container's own loopback`),
  );
  const unknownGuards = [...JSON.stringify(value).matchAll(/"authenticator":"([^"]*)"/g)]
    .filter(([, name = ""]) => !service.extensions.includes(name))
    .map(([, name]) => `receivers: the authenticator ${name} is not an enabled extension`);
  const closed = [...JSON.stringify(value).matchAll(/"endpoint":"(localhost|127\.0\.0\.1):/g)].map(
    () => "an endpoint is the container's own loopback",
  );
  return [...perKind, ...unlimited, ...defaults, ...unknownGuards, ...closed];
};

/** The processors of the pipeline for traces, in order. */
export const tracesProcessors = (value: unknown): readonly string[] =>
  collector.parse(value).service.pipelines["traces"]?.processors ?? [];
