/** The image of container/Dockerfile, run as the rendered Deployment runs it. `npm run test:image`. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { hasKubectl, renderObjects } from "../k8s/support/render.ts";
import { type Backing, send, startBacking } from "../support/backing.ts";
import { type ContainerPod, engine, startContainerPod, testImage } from "./support/container-pod.ts";
import { readFinalStage } from "./support/dockerfile.ts";
import { endUnderLoad, startLoad } from "./support/load.ts";
import { untilReady } from "./support/pod.ts";
import { type PodPlan, podPlan } from "./support/pod-plan.ts";

const MEBIBYTE = 1024 ** 2;
const CONNECTIONS = 16;

let backing: Backing;
/** The pod of the overlay dev, with 256 MiB. */
let plan: PodPlan;
beforeAll(async () => {
  if (process.platform !== "linux" || !hasKubectl)
    throw new Error("these tests need kubectl, and Linux for loopback addresses on the host's network");
  plan = podPlan(renderObjects({ base: "overlays/dev", components: [] }));
  backing = await startBacking();
  const first = await startContainerPod(plan, backing);
  await untilReady(first);
  await backing.addSampleData();
  await first.kill();
});
afterAll(() => backing?.stop());

const begun: ContainerPod[] = [];
const ready = async (as: PodPlan = plan): Promise<ContainerPod> => {
  const pod = await startContainerPod(as, backing);
  begun.push(pod);
  await untilReady(pod);
  return pod;
};
afterEach(async () => {
  for (const pod of begun.splice(0)) await pod.kill();
});

const inspected = async (format: string): Promise<string> =>
  await engine("image", "inspect", "--format", format, testImage);

const UNITS: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };

/** `2.26MB` or `2.26 MB`, in bytes. */
const sizeOf = (text: string): number => {
  const [, amount, unit = ""] = /^([\d.]+) ?(\w+)$/.exec(text.trim()) ?? [];
  return Number(amount) * (UNITS[unit] ?? Number.NaN);
};

/** Prints the heap option of each process; the image has no `ps`. */
const LIST_HEAPS = `
const { readdirSync, readFileSync } = require("node:fs");
for (const id of readdirSync("/proc").filter((name) => /^\\d+$/.test(name))) {
  const words = readFileSync("/proc/" + id + "/cmdline", "utf8").split("\\0");
  const option = words.find((word) => word.startsWith("--max-heap-size="));
  if (option) console.log(option);
}`;

/** Prints a figure. */
const report = (line: string): void => void process.stdout.write(`${line}\n`);

describe("the image", () => {
  test("adds at most 5.5 MB to its base", async () => {
    // Newest first; the last stage begins with its labels.
    const layers = (
      await engine("history", "--no-trunc", "--format", "{{.Size}}\t{{.CreatedBy}}", testImage)
    ).split("\n");
    const first = layers.findIndex((line) => line.includes("LABEL org.opencontainers.image.title"));
    const bytes = layers.slice(0, first).reduce((sum, line) => sum + sizeOf(line.split("\t")[0] ?? ""), 0);
    report(`the application's layers: ${(bytes / 1e6).toFixed(2)} MB`);
    expect(first).toBeGreaterThanOrEqual(readFinalStage().copies.length);
    expect(bytes).toBeGreaterThan(1e6);
    expect(bytes).toBeLessThanOrEqual(5.5e6);
  });

  test("starts node directly, as an unprivileged user, and exposes both ports", async () => {
    const { command, user, ports } = readFinalStage();
    expect(await inspected("{{json .Config.Entrypoint}}")).toBe('["/nodejs/bin/node"]');
    expect(JSON.parse(await inspected("{{json .Config.Cmd}}"))).toEqual(command);
    expect(await inspected("{{.Config.User}}")).toBe(user);
    expect(Number.parseInt(user, 10)).toBeGreaterThan(0);
    expect(Object.keys(JSON.parse(await inspected("{{json .Config.ExposedPorts}}")))).toEqual(
      ports.map((port) => `${port}/tcp`),
    );
  });

  test("has the standard labels", async () => {
    expect(JSON.parse(await inspected("{{json .Config.Labels}}"))).toMatchObject({
      "org.opencontainers.image.title": "web-api",
      "org.opencontainers.image.licenses": "Apache-2.0",
      "org.opencontainers.image.version": expect.stringMatching(/./),
      "org.opencontainers.image.revision": expect.stringMatching(/./),
    });
  });

  test("has no shell", async () => {
    const pod = await ready();
    const look =
      'process.exit(["/bin/sh", "/bin/bash", "/busybox/sh"].some(require("fs").existsSync) ? 1 : 0)';
    expect(await pod.execute("/nodejs/bin/node", "-e", look)).toMatchObject({ code: 0 });
  });
});

describe("a container of it", () => {
  test("becomes ready by its probes and its own health check", async () => {
    const seconds: number[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      const pod = await ready();
      seconds.push((performance.now() - pod.startedMs) / 1_000);
      const metrics = await send(`http://${pod.host}:${plan.ports.metrics}/metrics`);
      expect(metrics.body).toContain("http_server");
      expect(await pod.execute(...readFinalStage().healthCheck)).toMatchObject({ code: 0 });
      await pod.kill();
    }
    report(`/ready after ${seconds.map((each) => each.toFixed(2)).join(", ")} s`);
  });

  test("fails its health check without a response", async () => {
    const pod = await ready();
    const [node = "", file = ""] = readFinalStage().healthCheck;
    const elsewhere = `process.env.PORT = "9"; import(${JSON.stringify(file)})`;
    expect((await pod.execute(node, "-e", elsewhere)).code).toBe(1);
  });

  test("can write only to the manifest's mounts", async () => {
    const pod = await ready();
    const write = (path: string) =>
      pod.execute("/nodejs/bin/node", "-e", `require("fs").writeFileSync(${JSON.stringify(path)}, "")`);
    expect((await write("/app/file")).output).toContain("EROFS");
    expect((await write("/tmp/file")).code).toBe(0);
  });

  test("has the commands of the origin", async () => {
    const pod = await ready();
    const main = ["/nodejs/bin/node", "/app/origin/main.mjs"];
    expect((await pod.execute(...main, "migrate")).output).toContain("the schema is up to date");
    expect((await pod.execute(...main, "config")).output).toContain("server.port");
    const create = ["keys", "create", "--principal", "ann", "--scopes", "orders:read"];
    const created = await pod.execute(...main, ...create);
    expect(created.output).toMatch(/^key {2}/m);
    expect((await pod.execute(...main, "serve")).output).toContain("unknown command: serve");
  });

  test("serves a minute of load, and ends under load, without a failed request", async () => {
    const pod = await ready();
    const load = startLoad(pod, CONNECTIONS);
    await pause(60_000);
    const peak = ((await pod.peakBytes()) ?? Number.NaN) / MEBIBYTE;
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(peak).toBeLessThanOrEqual(plan.memoryBytes / MEBIBYTE);

    const end = await endUnderLoad(pod, CONNECTIONS);
    report(
      `${load.succeeded()} requests in a minute at ${plan.memoryBytes / MEBIBYTE} MiB, peak ${peak.toFixed(0)} MiB; ` +
        `${end.load.succeeded()} more around SIGTERM, ended after ${(end.tookMs / 1_000).toFixed(1)} s with ${end.code}`,
    );
    expect(end.load.failures).toEqual([]);
    expect(end).toMatchObject({ code: 0, becameUnready: true });
    expect(end.tookMs).toBeLessThan(plan.endMs);
  });

  test("divides its heap among several workers, and ends all of them", async () => {
    const pod = await ready({ ...plan, environment: { ...plan.environment, WORKERS: "2" } });
    const heaps = await pod.execute("/nodejs/bin/node", "-e", LIST_HEAPS);
    expect(heaps.output.trim().split("\n")).toEqual(
      Array(2).fill(expect.stringMatching(/^--max-heap-size=\d+$/)),
    );
    const load = startLoad(pod, CONNECTIONS);
    await pause(10_000);
    await load.stop();
    const end = await endUnderLoad(pod, CONNECTIONS);
    expect([...load.failures, ...end.load.failures]).toEqual([]);
    expect(end).toMatchObject({ code: 0, becameUnready: true });
  });
});
