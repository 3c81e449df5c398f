/** In compose, logs are stored, and lead to traces and back. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { faultsOfNames } from "../observability/names.ts";
import { containerFolder, readCompose, readYaml } from "./support/compose.ts";
import { originLine } from "./support/origin-line.ts";

const { services } = readCompose();
const logged = Object.entries(services).filter(([, { logging }]) => logging !== undefined);

const { receivers, processors, exporters, service } = z
  .object({
    receivers: z.object({ fluentforward: z.object({ endpoint: z.string() }) }),
    processors: z.object({
      "transform/lines": z.object({ log_statements: z.array(z.string()) }),
      groupbyattrs: z.object({ keys: z.array(z.string()) }),
    }),
    exporters: z.object({ "otlp_http/loki": z.object({ endpoint: z.url() }) }),
    service: z.object({
      pipelines: z.record(
        z.string(),
        z.record(z.enum(["receivers", "processors", "exporters"]), z.unknown()),
      ),
    }),
  })
  .parse(readYaml("container/otel-collector.yaml"));
const statements = processors["transform/lines"].log_statements;

const loki = z
  .object({
    server: z.object({ http_listen_port: z.number() }),
    common: z.object({
      path_prefix: z.string(),
      storage: z.object({ filesystem: z.record(z.string(), z.string()) }),
    }),
    schema_config: z.object({
      configs: z.array(z.object({ object_store: z.string(), index: z.object({ period: z.string() }) })),
    }),
    limits_config: z.object({ retention_period: z.string() }),
    compactor: z.object({ retention_enabled: z.boolean(), delete_request_store: z.string() }),
    distributor: z.object({
      otlp_config: z.object({ default_resource_attributes_as_index_labels: z.array(z.string()) }),
    }),
  })
  .parse(readYaml("container/loki.yaml"));

describe("the lines of containers", () => {
  test("are those of the origin, PostgreSQL and Redis, which run without the collector, too", () => {
    expect(logged.map(([name]) => name).sort()).toEqual(["postgres", "redis", "web-api"].sort());
    for (const [, { logging }] of logged)
      expect(logging).toMatchObject({ driver: "fluentd", options: { "fluentd-async": "true" } });
  });

  test("go to the port of the collector that Docker's daemon reaches", () => {
    const [, port] = receivers.fluentforward.endpoint.split(":");
    for (const [, { logging }] of logged) {
      const address = logging?.options["fluentd-address"];
      expect(services["otel-collector"]?.ports).toContain(`${address}:${port}`);
    }
  });

  test("stay where they are under Podman, which has no such driver", () => {
    const text = readFileSync(join(containerFolder, "compose.podman.yaml"), "utf8");
    const reset = { tag: "!reset", resolve: () => "reset" };
    const override: unknown = parse(text, { customTags: [reset] });
    expect(override).toEqual({
      services: Object.fromEntries(logged.map(([name]) => [name, { logging: "reset" }])),
    });
  });

  test("have the fields that the collector reads, from the driver or from the line", () => {
    const read = statements.flatMap((each) => [...each.matchAll(/log\.attributes\["([^"]+)"\]/g)]);
    const fields = new Set(read.map(([, name = ""]) => name));
    const labels = logged.map(([, { logging }]) => logging?.options["labels"]);
    expect([...fields].sort()).toEqual(
      [...new Set(labels), "level", "service.name", "span_id", "trace_id"].sort(),
    );
    expect(originLine()).toMatchObject({ level: "info", "service.name": "web-api" });
    expect(originLine()).toHaveProperty("trace_id", "8f14e45fceea4e7a9c1b0d6d3f2a7b11");
  });

  test("are grouped by the attribute that Loki indexes, after it is set", () => {
    expect(processors.groupbyattrs.keys).toEqual(["service.name"]);
    expect(loki.distributor.otlp_config.default_resource_attributes_as_index_labels).toEqual([
      "service.name",
    ]);
    expect(service.pipelines["logs/containers"]).toEqual({
      receivers: ["fluentforward"],
      processors: ["memory_limiter", "transform/lines", "groupbyattrs", "batch"],
      exporters: ["otlp_http/loki"],
    });
  });
});

test("security events arrive once: as OTLP, not as lines", () => {
  expect(services["web-api"]?.environment["SECURITY_EVENTS_ON_STDOUT"]).toBe("false");
  expect(service.pipelines["logs"]).toMatchObject({ receivers: ["otlp"], exporters: ["otlp_http/loki"] });
});

describe("Loki", () => {
  test("receives OTLP at the address to which the collector sends", () => {
    const { hostname, port, pathname } = new URL(exporters["otlp_http/loki"].endpoint);
    expect([hostname, Number(port), pathname]).toEqual(["loki", loki.server.http_listen_port, "/otlp"]);
    expect(services["loki"]?.ports).toEqual([`127.0.0.1:${port}:${port}`]);
    // Its own default, which the health check asks.
    expect([port, services["loki"]?.healthcheck?.test]).toEqual([
      "3100",
      ["CMD", "/usr/bin/loki", "-health"],
    ]);
  });

  test("reads the mounted file, and stores everything in its volume", () => {
    const { command, volumes } = services["loki"] ?? { command: [], volumes: [] };
    const [, path = ""] = /^-config\.file=(.+)$/.exec(command.join(" ")) ?? [];
    const { path_prefix, storage } = loki.common;
    expect(volumes).toEqual([`./loki.yaml:${path}:ro`, `loki_data:${path_prefix}`]);
    for (const folder of Object.values(storage.filesystem)) expect(folder).toMatch(`${path_prefix}/`);
  });

  test("deletes logs after two days", () => {
    expect(loki.limits_config.retention_period).toBe("48h");
    // Otherwise nothing is deleted.
    expect(loki.compactor).toEqual({ retention_enabled: true, delete_request_store: "filesystem" });
    expect(loki.schema_config.configs.map(({ object_store, index }) => [object_store, index.period])).toEqual(
      [["filesystem", "24h"]],
    );
  });
});

describe("Grafana", () => {
  const link = z.object({ datasourceUid: z.string() });
  const { datasources } = z
    .object({
      datasources: z.array(
        z.object({
          uid: z.string(),
          type: z.string(),
          jsonData: z
            .object({
              derivedFields: z.array(link.extend({ matcherType: z.string(), matcherRegex: z.string() })),
              tracesToLogsV2: link.extend({ customQuery: z.literal(true), query: z.string() }),
              tracesToMetrics: link.extend({ queries: z.array(z.object({ query: z.string() })) }),
            })
            .partial(),
        }),
      ),
    })
    .parse(readYaml("container/grafana/datasources.yaml"));
  const typeOf = (uid = ""): string | undefined => datasources.find((each) => each.uid === uid)?.type;
  const of = (type: string) => datasources.find((each) => each.type === type)?.jsonData ?? {};

  test("leads from a line to its trace", () => {
    const fields = of("loki").derivedFields ?? [];
    expect(fields.map(({ datasourceUid }) => typeOf(datasourceUid))).toEqual(["jaeger"]);
    // Loki's name for the id of an OTLP record.
    expect(fields).toMatchObject([{ matcherType: "label", matcherRegex: "trace_id" }]);
  });

  test("leads from a trace to its lines and to its tier's requests", () => {
    const { tracesToLogsV2, tracesToMetrics } = of("jaeger");
    expect(typeOf(tracesToLogsV2?.datasourceUid)).toBe("loki");
    expect(tracesToLogsV2?.query).toMatch(/^\{service_name=~".+"\} \| trace_id="\$\$\{__trace\.traceId\}"$/);
    expect(typeOf(tracesToMetrics?.datasourceUid)).toBe("prometheus");
    const queries = tracesToMetrics?.queries.map(({ query }) => query.replace("$$__tags", 'job="web-api"'));
    expect(queries).toHaveLength(1);
    expect(queries?.flatMap(faultsOfNames)).toEqual([]);
  });
});
