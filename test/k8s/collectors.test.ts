/** Every program accepts the file or the arguments that its pod gets. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { isOnPath, startServer } from "../../src/local/child-process.ts";
import { freePort } from "../../src/local/free-port.ts";
import { collectorFaults, mergedConfiguration, tracesProcessors } from "../container/support/collector.ts";
import { readCompose, readYaml } from "../container/support/compose.ts";
import { originLine } from "../container/support/origin-line.ts";
import { isToolRequired } from "../support/required-tools.ts";
import { hasComponent } from "./support/combinations.ts";
import { k8sFolder } from "./support/render.ts";

const component = (path: string) => readYaml(`k8s/components/${path}`);

describe("the configuration of a collector", () => {
  const collectors = [
    ["otel-collector", "otlp_http"],
    ["edge-telemetry", "prometheus"],
    ["logs", "otlp_grpc"],
  ] as const;

  test.for(collectors.filter(([name]) => hasComponent(name)))("in %s declares and uses every part", ([
    name,
    exporter,
  ]) => {
    const collector = component(`${name}/collector.yaml`);
    expect(collectorFaults(collector)).toEqual([]);
    const broken = JSON.stringify(collector).replaceAll(`"${exporter}"`, '"logging"');
    expect(collectorFaults(JSON.parse(broken))).toContain("exporters: logging is unknown");
  });

  test("can be merged with the tail sampling", () => {
    const [collector, tailSampling] = ["collector", "tail-sampling"].map((name) =>
      component(`otel-collector/${name}.yaml`),
    );
    const merged = mergedConfiguration(collector, tailSampling);
    expect(collectorFaults(merged)).toEqual([]);
    expect(tracesProcessors(merged)).toEqual(["memory_limiter", "tail_sampling", "batch"]);
  });

  test.skipIf(!hasComponent("logs"))("of log files reads each line's level, time, trace and service", () => {
    const { include, operators } = z
      .object({
        receivers: z.object({
          file_log: z.object({ include: z.array(z.string()), operators: z.array(z.looseObject({})) }),
        }),
      })
      .parse(component("logs/collector.yaml")).receivers.file_log;
    // The origin's and the tunnel's. Its own lines would never end.
    expect(include.map((path) => path.split("/").at(-2))).toEqual(["web-api", "cloudflared"]);
    expect(operators).toMatchObject([
      { type: "container" },
      {
        type: "json_parser",
        severity: { parse_from: "attributes.level" },
        timestamp: { parse_from: "attributes.time" },
        trace: {
          trace_id: { parse_from: "attributes.trace_id" },
          span_id: { parse_from: "attributes.span_id" },
        },
      },
      // As in spans, so that a backend finds both by one name.
      { type: "move", from: 'attributes["service.name"]', to: 'resource["service.name"]' },
    ]);
    expect(originLine()).toMatchObject({
      level: "info",
      // As the layout of the timestamp has it.
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      trace_id: "8f14e45fceea4e7a9c1b0d6d3f2a7b11",
      "service.name": "web-api",
    });
  });

  test.skipIf(!hasComponent("edge-telemetry"))(
    "of the edge requires a token, which it does not contain",
    () => {
      const { receivers, extensions } = z
        .object({
          receivers: z.object({
            otlp: z.object({ protocols: z.record(z.string(), z.object({ auth: z.unknown() })) }),
          }),
          extensions: z.object({ bearertokenauth: z.record(z.string(), z.unknown()) }),
        })
        .parse(component("edge-telemetry/collector.yaml"));
      for (const { auth } of Object.values(receivers.otlp.protocols))
        expect(auth).toEqual({ authenticator: "bearertokenauth" });
      expect(Object.keys(extensions.bearertokenauth)).toEqual(["filename"]);
    },
  );
});

test("the overlay dev has the Redis of compose", () => {
  const dev = readFileSync(join(k8sFolder, "overlays/dev/redis.yaml"), "utf8");
  expect(dev).toContain(`image: ${readCompose().services["redis"]?.image}\n`);
});

test.skipIf(!isOnPath("redis-server") && !isToolRequired("redis-server"))(
  "Redis accepts the arguments of the overlay dev",
  async () => {
    const text = readFileSync(join(k8sFolder, "overlays/dev/redis.yaml"), "utf8");
    const args = z.array(z.string()).parse(parse(/args: (\[.*\])/.exec(text)?.[1] ?? ""));
    // Invalid arguments end it before it is ready.
    const server = await startServer(
      {
        ...{ name: "redis-server", command: "redis-server" },
        args: [...args, "--port", String(await freePort()), "--bind", "127.0.0.1"],
      },
      (line) => line.includes("Ready to accept connections"),
      { timeoutMs: 20_000 },
    );
    await server.stop();
  },
);
