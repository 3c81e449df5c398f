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

  test.skipIf(!hasComponent("logs"))("of log files makes a line's service its resource", () => {
    const { receivers } = z
      .object({ receivers: z.object({ file_log: z.object({ operators: z.array(z.unknown()) }) }) })
      .parse(component("logs/collector.yaml"));
    // As in spans, so that a backend finds both by one name.
    expect(receivers.file_log.operators.at(-1)).toEqual({
      type: "move",
      if: 'attributes["service.name"] != nil',
      from: 'attributes["service.name"]',
      to: 'resource["service.name"]',
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
