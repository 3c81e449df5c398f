/** A real Prometheus, if it is installed, that scrapes a test's system with the shipped rules. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { vi } from "vitest";
import { stringify } from "yaml";
import { z } from "zod";
import { spawnChild } from "../../src/local/child-process.ts";
import { freePort } from "../../src/local/free-port.ts";
import { fetchRead } from "./fetch.ts";
import { isToolRequired } from "./required-tools.ts";

export const hasPrometheus = spawnSync("prometheus", ["--version"]).status === 0;
export const isPrometheusRequired = isToolRequired("prometheus");

export interface Prometheus {
  readonly url: string;
  /** The labels of the series that an expression has now. @throws if Prometheus rejects it */
  query(expression: string): Promise<readonly Readonly<Record<string, string>>[]>;
  stop(): Promise<void>;
}

export interface PrometheusOptions {
  /** Hosts and ports of the origins' admin ports. */
  readonly origins: readonly string[];
  /** Host and port of the edge's metrics. */
  readonly receiver: string;
  readonly ruleFiles: readonly string[];
}

const answer = z.object({
  status: z.literal("success"),
  data: z.object({ result: z.array(z.object({ metric: z.record(z.string(), z.string()) })) }),
});

const QUERY_TIMEOUT_MS = 10_000;
const START_TIMEOUT_MS = 30_000;

/** The rules' durations are divided by this. promtool tests their real durations. */
const SPEED = 10;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The rules with shorter windows (`[5m]`), waits (`for: 5m`) and intervals (`interval: 5m`). */
const accelerated = (rules: string): string =>
  rules.replaceAll(
    /(\[|for: |interval: )(\d+)([smhd])(?=\]|\n)/g,
    (_, before: string, count: string, unit: string) =>
      `${before}${(Number(count) * (UNIT_MS[unit] ?? Number.NaN)) / SPEED}ms`,
  );

/** Like container/prometheus.yaml, with other addresses and intervals. */
const configurationOf = ({ origins, receiver }: PrometheusOptions): string =>
  stringify({
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: ["rules-*"],
    scrape_configs: [
      { job_name: "web-api", static_configs: [{ targets: origins }] },
      { job_name: "otel-collector-edge", honor_labels: true, static_configs: [{ targets: [receiver] }] },
    ],
  });

export const startPrometheus = async (options: PrometheusOptions): Promise<Prometheus> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-prometheus-"));
  const file = join(folder, "prometheus.yaml");
  await writeFile(file, configurationOf(options));
  for (const path of options.ruleFiles)
    await writeFile(join(folder, `rules-${basename(path)}`), accelerated(await readFile(path, "utf8")));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawnChild({
    name: "Prometheus",
    command: "prometheus",
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=${address}`,
    ],
  });
  const stop = async (): Promise<void> => {
    await child.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const expectReady = async (): Promise<void> => {
    const { ok } = await fetch(`http://${address}/-/ready`);
    if (!ok) throw new Error("Prometheus is not ready");
  };
  try {
    await vi.waitFor(expectReady, { timeout: START_TIMEOUT_MS });
  } catch (error) {
    await stop();
    throw new Error(`Prometheus did not start:\n${child.tail().join("\n")}`, { cause: error });
  }
  return {
    url: `http://${address}`,
    query: async (expression) => {
      const url = `http://${address}/api/v1/query?${new URLSearchParams({ query: expression })}`;
      const response = await fetchRead(url, { signal: AbortSignal.timeout(QUERY_TIMEOUT_MS) });
      const text = await response.text();
      if (!response.ok) throw new Error(`${expression}: ${text}`);
      return answer.parse(JSON.parse(text)).data.result.map(({ metric }) => metric);
    },
    stop,
  };
};
