/** container/compose.yaml is consistent, and every program accepts its mounted file. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { parse as parseToml } from "smol-toml";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { readEdgeConfig } from "../../src/edge/config.ts";
import { isOnPath } from "../../src/local/child-process.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { readOriginConfiguration } from "../../src/origin/config/read.ts";
import { ENDING_MS } from "../../src/origin/lifecycle/primary.ts";
import { isToolRequired } from "../support/required-tools.ts";
import { collectorFaults, mergedConfiguration, tracesProcessors } from "./support/collector.ts";
import { containerFolder, readCompose, readYaml } from "./support/compose.ts";
import { readFinalStage } from "./support/dockerfile.ts";
import { imageFault } from "./support/image-fault.ts";

const { services, volumes } = readCompose();
const all = Object.entries(services);

const mounts = all.flatMap(([, service]) => service.volumes.map((volume) => volume.split(":")));
const tailSampling = readYaml("k8s/components/otel-collector/tail-sampling.yaml");

describe("compose.yaml", () => {
  test("conforms to the Compose Specification", () => {
    const schema = JSON.parse(
      readFileSync(join(projectFolder, "test/fixtures/compose-spec/compose-spec.json"), "utf8"),
    );
    const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile({
      ...schema,
      // The newest dialect that ajv supports.
      $schema: "http://json-schema.org/draft-07/schema#",
    });
    const value = readYaml("container/compose.yaml");
    validate(value);
    expect(validate.errors).toBe(null);
    expect(value).not.toHaveProperty("version");
    expect(validate({ services: { api: { imag: "web-api:dev" } } })).toBe(false);
  });

  test("has every service of the stack, each pinned, limited and restarted", () => {
    const others = [
      "alertmanager",
      "grafana",
      "jaeger",
      "loki",
      "otel-collector",
      "postgres",
      "prometheus",
      "redis",
    ];
    expect(Object.keys(services).sort()).toEqual([...others, "redis-http", "web-api"].sort());
    // The schema that reads the file requires the limits.
    for (const [name, { image, restart }] of all)
      expect([name, imageFault(image), restart]).toEqual([name, undefined, "unless-stopped"]);
  });

  test("publishes ports on loopback only", () => {
    const published = all.flatMap(([, { ports }]) => ports);
    expect(published.filter((port) => !port.startsWith("127.0.0.1:"))).toEqual([]);
    expect(published.map((port) => Number(port.split(":")[1])).sort((a, b) => a - b)).toEqual([
      3000, 3100, 4317, 4318, 8079, 8080, 8888, 8889, 9090, 9093, 13133, 16686, 24224,
    ]);
  });

  test("waits for the health of services with a health check", () => {
    for (const [other, { condition }] of all.flatMap(([, { depends_on }]) => Object.entries(depends_on))) {
      const hasCheck = services[other]?.healthcheck !== undefined;
      expect([other, condition]).toEqual([other, hasCheck ? "service_healthy" : "service_started"]);
    }
  });

  test("declares every volume, and mounts existing files read-only", () => {
    const { files = [], named = [] } = Object.groupBy(mounts, ([source = ""]) =>
      source.startsWith(".") ? "files" : "named",
    );
    expect(named.map(([source]) => source).sort()).toEqual(Object.keys(volumes).sort());
    expect(files.length).toBeGreaterThan(2);
    for (const [source = "", , mode] of files)
      expect([source, existsSync(join(containerFolder, source)), mode]).toEqual([source, true, "ro"]);
  });

  test("has the image's health check for the origin", () => {
    expect(services["web-api"]?.healthcheck?.test).toEqual(["CMD", ...readFinalStage().healthCheck]);
  });
});

describe("the origin", () => {
  const file = { path: "app.yaml", text: readFileSync(join(containerFolder, "app.yaml"), "utf8") };

  test("accepts its environment over the image's file, and has enough time to end", () => {
    const reading = readOriginConfiguration(services["web-api"]?.environment ?? {}, file);
    expect(reading).toMatchObject({ ok: true });
    if (!reading.ok) return;
    const { port, adminPort, preStopMs, drainTimeoutMs } = reading.value.server;
    expect([port, adminPort]).toEqual(readFinalStage().ports);
    const graceS = Number.parseInt(services["web-api"]?.stop_grace_period ?? "", 10);
    expect(graceS).toBeGreaterThanOrEqual((preStopMs + drainTimeoutMs + ENDING_MS) / 1_000 + 2);
  });

  test("needs only the required variables besides the image's file", () => {
    const reading = readOriginConfiguration({}, file);
    const names = reading.ok ? [] : [...reading.message.matchAll(/^ {2}(\w+) .* is missing/gm)];
    expect(names.map(([, name]) => name).sort()).toEqual([
      ...["DATABASE_URL", "ORIGIN_AUTHORITIES", "REDIS_URL", "SIGNING_KEYS"],
    ]);
  });
});

describe("the edge of `wrangler dev --env compose`", () => {
  const toml = z
    .object({ env: z.object({ compose: z.object({ vars: z.record(z.string(), z.string()) }) }) })
    .parse(parseToml(readFileSync(join(projectFolder, "wrangler.toml"), "utf8")));
  const { vars } = toml.env.compose;

  test("accepts its vars, and they fit the services", () => {
    const reading = readEdgeConfig(vars);
    expect(reading).toMatchObject({ ok: true });
    const origin = services["web-api"]?.environment ?? {};
    expect(vars["SIGNING_KEYS"]).toBe(origin["SIGNING_KEYS"]);
    expect(origin["ORIGIN_AUTHORITIES"]?.split(",")).toContain(new URL(vars["ORIGINS"] ?? "").host);
    expect(vars["UPSTASH_REDIS_REST_TOKEN"]).toBe(services["redis-http"]?.environment["SRH_TOKEN"]);
    const published = all.flatMap(([, { ports }]) => ports).map((port) => port.split(":")[1]);
    expect(published).toContain(new URL(vars["UPSTASH_REDIS_REST_URL"] ?? "").port);
  });
});

describe("a mounted file", () => {
  test("of the collector declares and uses every part, with and without the tail sampling", () => {
    const collector = readYaml("container/otel-collector.yaml");
    expect(collectorFaults(collector)).toEqual([]);
    const broken = JSON.stringify(collector).replaceAll('"debug"', '"logging"');
    expect(collectorFaults(JSON.parse(broken))).toContain("exporters: logging is unknown");
    const merged = mergedConfiguration(collector, tailSampling);
    expect(collectorFaults(merged)).toEqual([]);
    expect(tracesProcessors(merged)).toEqual(["memory_limiter", "tail_sampling", "batch"]);
  });

  test("Prometheus keeps the labels of the edge's series, and reads the rules", () => {
    const { scrape_configs, rule_files } = z
      .object({
        rule_files: z.array(z.string()),
        scrape_configs: z.array(
          z.object({
            job_name: z.string(),
            honor_labels: z.boolean().default(false),
            static_configs: z.array(z.object({ targets: z.array(z.string()) })),
          }),
        ),
      })
      .parse(readYaml("container/prometheus.yaml"));
    const honored = scrape_configs.filter(({ honor_labels }) => honor_labels);
    expect(honored.flatMap(({ static_configs }) => static_configs.flatMap(({ targets }) => targets))).toEqual(
      ["otel-collector:8889"],
    );
    expect(rule_files).toEqual(["rules/*.yaml"]);
    expect(services["prometheus"]?.volumes).toContain("./rules:/etc/prometheus/rules:ro");
  });

  test.skipIf(!isOnPath("otelcol-contrib"))("the collector accepts its configuration", () => {
    execFileSync("otelcol-contrib", ["validate", "--config", join(containerFolder, "otel-collector.yaml")], {
      timeout: 30_000,
    });
  });

  test.skipIf(!isOnPath("promtool") && !isToolRequired("promtool"))(
    "Prometheus accepts its configuration",
    () => {
      const check = (path: string) =>
        spawnSync("promtool", ["check", "config", path], { encoding: "utf8", timeout: 30_000 });
      const { status, stdout, stderr } = check(join(containerFolder, "prometheus.yaml"));
      expect([status, stderr]).toEqual([0, ""]);
      expect(stdout).toContain("SUCCESS");
      expect(check(join(containerFolder, "otel-collector.yaml")).status).not.toBe(0);
    },
  );

  test("Prometheus and Grafana use existing services", () => {
    const text = ["container/prometheus.yaml", "container/grafana/datasources.yaml"]
      .map((path) => JSON.stringify(readYaml(path)))
      .join("\n");
    const hosts = [...text.matchAll(/"(?:http:\/\/)?([a-z][a-z0-9-]*):\d+"/g)].map(([, host]) => host);
    const known = ["alertmanager", "jaeger", "loki", "otel-collector", "prometheus", "web-api"];
    expect([...new Set(hosts)].sort()).toEqual(known.sort());
    for (const host of hosts) expect(services).toHaveProperty([host ?? ""]);
  });

  test("Redis evicts before its container's memory is full", () => {
    const { command = [], deploy } = services["redis"] ?? {};
    const [, maxMb] = /--maxmemory,(\d+)mb/.exec(command.toString()) ?? [];
    const [, limitM] = /^(\d+)M$/.exec(deploy?.resources?.limits?.memory ?? "") ?? [];
    expect(Number(maxMb)).toBeGreaterThan(0);
    expect(Number(maxMb) / Number(limitM)).toBeLessThanOrEqual(0.75);
  });
});
