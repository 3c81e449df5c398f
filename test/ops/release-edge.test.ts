import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { startServer } from "../../src/local/child-process.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { type ReleaseOptions, releaseEdge } from "../../src/ops/release-edge.ts";
import { serve, type TestServer } from "../support/listen.ts";
import {
  hasPrometheus,
  isPrometheusRequired,
  type Prometheus,
  startPrometheus,
} from "../support/prometheus.ts";

/** Per request. */
interface Quality {
  readonly failed?: number;
  readonly slow?: number;
}

const stateSchema = z.object({
  deployments: z.array(z.string()),
  shares: z.array(z.tuple([z.string(), z.number()])),
});

let prometheus: Prometheus;
let metrics: TestServer;
/** Of each version that reports. */
let qualities: Map<string, Quality>;
let requests: Map<string, number>;
let folder: string | undefined;
let statePath: string;
let old: string;
let fresh: string;

const state = () => stateSchema.parse(JSON.parse(readFileSync(statePath, "utf8")));
/** Requests between two scrapes, for each percent of the requests. */
const REQUESTS_PER_PERCENT = 400;
const METRIC = "http_server_request_duration_seconds";

/** The edge's metrics: each scrape finds more requests of the deployed versions. */
const exposition = (): string => {
  for (const [version, percent] of state().shares)
    requests.set(version, (requests.get(version) ?? 0) + REQUESTS_PER_PERCENT * percent);
  const lines = [...qualities].flatMap(([version, { failed = 0, slow = 0 }]) => {
    const count = requests.get(version);
    if (count === undefined) return [];
    const labels = (status: number) =>
      `job="breakwater-edge",instance="${version}",service_version="${version}",http_response_status_code="${status}"`;
    return [
      `${METRIC}_bucket{${labels(200)},le="0.5"} ${count * (1 - failed - slow)}`,
      `${METRIC}_count{${labels(200)}} ${count * (1 - failed)}`,
      `${METRIC}_bucket{${labels(500)},le="0.5"} ${count * failed}`,
      `${METRIC}_count{${labels(500)}} ${count * failed}`,
    ];
  });
  return [`# TYPE ${METRIC} untyped`, ...lines, ""].join("\n");
};

const writeState = async (changes: Readonly<Record<string, unknown>> = {}): Promise<void> => {
  const versions = [{ id: old, metadata: { created_on: "2026-01-02T00:00:00Z" }, annotations: {} }];
  const shares = [[old, 100]];
  const rest = { deployments: [], failures: [] };
  await writeFile(`${statePath}.next`, JSON.stringify({ fresh, versions, shares, ...rest, ...changes }));
  // Prometheus scrapes at any time.
  await rename(`${statePath}.next`, statePath);
};

const startOver = async (): Promise<void> => {
  [old, fresh] = [randomUUID(), randomUUID()];
  qualities = new Map([[old, {}]]);
  requests = new Map();
  await writeState();
};

beforeAll(async () => {
  if (!hasPrometheus) return;
  folder = await mkdtemp(join(tmpdir(), "release-test-"));
  statePath = join(folder, "state.json");
  await symlink(join(import.meta.dirname, "support/fake-wrangler.mjs"), join(folder, "wrangler"));
  await startOver();
  metrics = await serve((_, response) => response.end(exposition()));
  prometheus = await startPrometheus({ origins: [], receiver: new URL(metrics.url).host, ruleFiles: [] });
});
afterAll(async () => {
  await prometheus?.stop();
  await metrics?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  vi.stubEnv("PATH", `${folder}:${process.env["PATH"]}`);
  vi.stubEnv("FAKE_WRANGLER", statePath);
  if (hasPrometheus) await startOver();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** Resolves once Prometheus has the old version. */
const known = (): Promise<void> =>
  vi.waitFor(
    async () => expect(await prometheus.query(`${METRIC}_count{service_version="${old}"}`)).not.toEqual([]),
    { timeout: 20_000 },
  );

const release = async (options: Partial<ReleaseOptions> = {}): Promise<void> => {
  if (state().shares[0]?.[0] === old) await known();
  await releaseEdge({
    environment: "production",
    prometheus: { url: prometheus.url },
    steps: [5, 25, 50],
    ...{ requests: 1_000, minMs: 0, maxMs: 60_000, pollMs: 200 },
    signal: new AbortController().signal,
    log: () => {},
    ...options,
  });
};

/** Attempted, in order. */
const deployments = (): string[] =>
  state().deployments.map((each) => each.replaceAll(old, "old").replaceAll(fresh, "new"));
const FIRST = "new@5 old@95";
const RETURN = "old@100";

describe.skipIf(!hasPrometheus && !isPrometheusRequired)(
  "a release of the edge",
  { timeout: 120_000 },
  () => {
    test("gives a good version more and more requests, and then all", async () => {
      qualities.set(fresh, {});
      await release();
      expect(deployments()).toEqual([FIRST, "new@25 old@75", "new@50 old@50", "new@100"]);
    });

    test.for([
      ["fails", { failed: 0.05 }, "5.00 % of"],
      ["is slow", { slow: 0.3 }, "30.00 % of"],
      [
        "fails more often than the old one and the objective, below the rate that pages",
        { failed: 0.01 },
        "1.00 % of",
      ],
    ] as const)("goes back if the new version %s", async ([, quality, message]) => {
      qualities.set(fresh, quality);
      await expect(release()).rejects.toThrow(message);
      expect(deployments()).toEqual([FIRST, RETURN]);
    });

    test("goes on if the old version fails as often: the fault is not the new one's", async () => {
      qualities.set(old, { failed: 0.01 });
      qualities.set(fresh, { failed: 0.01 });
      await release({ steps: [50] });
      expect(deployments()).toEqual(["new@50 old@50", "new@100"]);
    });

    test("goes back if the new version reports nothing in time", async () => {
      await expect(release({ maxMs: 2_000 })).rejects.toThrow("has 0 of 1000 requests in Prometheus");
      expect(deployments()).toEqual([FIRST, RETURN]);
    });

    test("goes back if the new version has too few requests in time", async () => {
      qualities.set(fresh, {});
      await expect(release({ maxMs: 2_000, requests: 1e9 })).rejects.toThrow("of 1000000000 requests");
      expect(deployments()).toEqual([FIRST, RETURN]);
    });

    test("repeats the return until it succeeds", async () => {
      qualities.set(fresh, { failed: 0.5 });
      await writeState({ failures: [2, 3] });
      await expect(release()).rejects.toThrow(`${old} has all requests again`);
      expect(deployments()).toEqual([FIRST, RETURN, RETURN, RETURN]);
      expect(state().shares).toEqual([[old, 100]]);
    });

    test("says which command to run if the return fails", async () => {
      qualities.set(fresh, { failed: 0.5 });
      await writeState({ failures: [2, 3, 4, 5, 6] });
      await expect(release()).rejects.toThrow(`run npx wrangler versions deploy ${old}@100 --env production`);
    });

    test("goes back on Ctrl-C", async () => {
      qualities.set(fresh, {});
      await known();
      const args = ["--env", "production", "--prometheus", prometheus.url, "--requests", "1000000000"];
      const child = await startServer(
        {
          name: "release",
          command: process.execPath,
          args: [join(projectFolder, "src/ops/release-edge.ts"), ...args],
        },
        (line) => line.includes("measuring"),
        { timeoutMs: 60_000 },
      );
      child.signal("SIGINT");
      expect(await child.exited).toEqual({ code: 1, signal: null });
      expect(child.tail().at(-1)).toContain(`${old} has all requests again: interrupted`);
      expect(deployments()).toEqual([FIRST, RETURN]);
    });

    describe("deploys nothing", () => {
      afterEach(() => expect(deployments()).toEqual([]));

      test("as a dry run", async () => {
        await release({ isDryRun: true });
      });

      test("if Prometheus has no requests of the current version", async () => {
        const stranger = randomUUID();
        await writeState({ shares: [[stranger, 100]], versions: [] });
        await expect(release()).rejects.toThrow("has no requests of the current version");
      });

      test("if Prometheus does not answer", async () => {
        const url = "http://127.0.0.1:1";
        await expect(release({ prometheus: { url } })).rejects.toThrow(
          `Prometheus at ${url} does not answer`,
        );
      });

      test("if another release is not over", async () => {
        await writeState({
          shares: [
            [old, 95],
            [randomUUID(), 5],
          ],
        });
        await expect(release()).rejects.toThrow("several versions are deployed");
      });

      test.for([
        ["wrangler secret put", { "workers/triggered_by": "secret" }],
        ["wrangler versions secret put", { "workers/message": 'Updated secret "SIGNING_KEYS"' }],
      ] as const)("after a later `%s`, whose secret the current version lacks", async ([, annotations]) => {
        const versions = [
          { id: old, metadata: { created_on: "2026-01-02T00:00:00Z" } },
          { id: "later", metadata: { created_on: "2026-01-03T00:00:00Z" }, annotations },
        ];
        await writeState({ versions });
        await expect(release()).rejects.toThrow("version later changed secrets");
      });
    });
  },
);
