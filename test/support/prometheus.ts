/** Prometheus itself, where it is installed: scraping what a test has started, with the rules that are shipped. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import { spawnChild } from "../../src/local/child-process.ts";
import { freePort } from "../../src/local/free-port.ts";
import { isToolRequired } from "./required-tools.ts";

export const hasPrometheus = spawnSync("prometheus", ["--version"]).status === 0;
export const isPrometheusRequired = isToolRequired("prometheus");

export interface Prometheus {
  /** The series that an expression has now, by their labels. @throws where it is refused */
  query(expression: string): Promise<readonly Readonly<Record<string, string>>[]>;
  stop(): Promise<void>;
}

export interface PrometheusOptions {
  /** Hosts and ports of the origins' admin ports. */
  readonly origins: readonly string[];
  /** Host and port of what offers the edge's metrics. */
  readonly receiver: string;
  readonly ruleFiles: readonly string[];
}

const answer = z.object({
  status: z.literal("success"),
  data: z.object({ result: z.array(z.object({ metric: z.record(z.string(), z.string()) })) }),
});

/** Longer than this nothing is asked, milliseconds. */
const QUERY_TIMEOUT_MS = 10_000;
const START_TIMEOUT_MS = 30_000;

/** As container/prometheus.yaml has it, but for addresses and for how often it looks. */
const configurationOf = ({ origins, receiver, ruleFiles }: PrometheusOptions): string =>
  stringify({
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: ruleFiles,
    scrape_configs: [
      { job_name: "web-api", static_configs: [{ targets: origins }] },
      { job_name: "otel-collector-edge", honor_labels: true, static_configs: [{ targets: [receiver] }] },
    ],
  });

export const startPrometheus = async (options: PrometheusOptions): Promise<Prometheus> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-prometheus-"));
  const file = join(folder, "prometheus.yaml");
  await writeFile(file, configurationOf(options));
  const address = `127.0.0.1:${await freePort()}`;
  const ready = Promise.withResolvers<void>();
  const child = spawnChild({
    name: "Prometheus",
    command: "prometheus",
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=${address}`,
    ],
    onLine: (line) => {
      if (line.includes("Server is ready")) ready.resolve();
    },
  });
  const stop = async (): Promise<void> => {
    await child.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const timer = setTimeout(
    () => ready.reject(new Error(`Prometheus did not start:\n${child.tail().join("\n")}`)),
    START_TIMEOUT_MS,
  );
  void child.exited.then(() => ready.reject(new Error(`Prometheus has ended:\n${child.tail().join("\n")}`)));
  try {
    await ready.promise;
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return {
    query: async (expression) => {
      const response = await fetch(`http://${address}/api/v1/query`, {
        method: "POST",
        body: new URLSearchParams({ query: expression }),
        signal: AbortSignal.timeout(QUERY_TIMEOUT_MS),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${expression}: ${text}`);
      return answer.parse(JSON.parse(text)).data.result.map(({ metric }) => metric);
    },
    stop,
  };
};
