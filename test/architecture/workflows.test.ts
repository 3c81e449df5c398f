/** GitHub's workflows: pinned actions and minimal permissions. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { projectFolder } from "../../src/local/state-dir.ts";

const folder = join(projectFolder, ".github/workflows");

const workflow = z.object({
  permissions: z.record(z.string(), z.string()),
  jobs: z.record(
    z.string(),
    z.object({
      "timeout-minutes": z.number().max(60),
      permissions: z.record(z.string(), z.string()).optional(),
      steps: z.array(z.object({ uses: z.string().optional(), run: z.string().optional() })),
    }),
  ),
});

describe.each(readdirSync(folder))("%s", (name) => {
  const text = readFileSync(join(folder, name), "utf8");
  const { permissions, jobs } = workflow.parse(parse(text));

  test("pins every action by commit, with its version in a comment", () => {
    const uses = text.split("\n").filter((line) => /\buses:/.test(line));
    expect(uses.length).toBeGreaterThan(0);
    expect(uses.filter((line) => !/uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual([]);
  });

  test("has read permissions only, except for jobs that declare others", () => {
    expect(permissions).toEqual({ contents: "read" });
    for (const [job, { permissions: own, steps }] of Object.entries(jobs)) {
      // A job with write permissions runs no code of packages.
      const mayWrite = Object.values(own ?? {}).includes("write");
      const runsPackages = steps.some(({ run = "" }) => /\bnp[mx]\b/.test(run));
      expect([job, mayWrite && runsPackages]).toEqual([job, false]);
    }
  });

  test("interpolates nothing into shell scripts", () => {
    const scripts = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
    expect(scripts.filter((run) => run.includes("${{"))).toEqual([]);
  });
});

test("a release has both platforms, a scan, SBOM, provenance and signature, and the Dockerfile's base images", () => {
  const text = readFileSync(join(folder, "release.yml"), "utf8");
  for (const part of [
    "linux/amd64,linux/arm64",
    "anchore/scan-action@",
    "sbom: true",
    "provenance: mode=max",
    "cosign sign",
  ])
    expect(text).toContain(part);
  const dockerfile = readFileSync(join(projectFolder, "container/Dockerfile"), "utf8");
  for (const [, name, image] of dockerfile.matchAll(/^ARG (\w+_IMAGE)=(\S+)$/gm))
    expect(text).toContain(`${name}: ${image}`);
});

/** As workflows write it. */
const expression = (name: string): string => `\${{ ${name} }}`;

const release = z.object({
  jobs: z.object({
    build: z.object({ steps: z.array(z.object({ with: z.record(z.string(), z.unknown()).optional() })) }),
    test: z.object({
      needs: z.literal("build"),
      strategy: z.object({ matrix: z.object({ os: z.array(z.string()) }) }),
      env: z.object({ CANDIDATE: z.string() }),
      steps: z.array(
        z.object({
          uses: z.string().optional(),
          with: z.record(z.string(), z.unknown()).optional(),
          env: z.record(z.string(), z.string()).optional(),
        }),
      ),
    }),
    publish: z.object({
      needs: z.array(z.string()),
      env: z.object({ DIGEST: z.string() }),
      steps: z.array(z.object({ uses: z.string().optional(), run: z.string().optional() })),
    }),
  }),
});

test("what a release tests and scans, on both platforms, is the digest that it then tags", () => {
  const text = readFileSync(join(folder, "release.yml"), "utf8");
  const { build, test: candidate, publish } = release.parse(parse(text)).jobs;
  const outputs = build.steps.map((step) => String(step.with?.["outputs"] ?? ""));
  expect(outputs.some((written) => written.includes("push-by-digest=true"))).toBe(true);
  expect(candidate.strategy.matrix.os).toEqual(["ubuntu-24.04", "ubuntu-24.04-arm"]);
  expect(candidate.env.CANDIDATE).toContain(`@${expression("needs.build.outputs.digest")}`);
  const scan = candidate.steps.find(({ uses }) => uses?.startsWith("anchore/scan-action@"));
  expect(scan?.with).toMatchObject({ image: expression("env.CANDIDATE"), "severity-cutoff": "high" });
  for (const tested of candidate.steps.flatMap(({ env }) => env?.["TEST_IMAGE"] ?? []))
    expect(tested).toBe(expression("env.CANDIDATE"));
  expect(publish.needs).toEqual(["build", "test"]);
  expect(publish.env.DIGEST).toBe(expression("needs.build.outputs.digest"));
  // Nothing is built again, and the tag comes after the signature.
  expect(publish.steps.filter(({ uses }) => uses?.startsWith("docker/build-push-action@"))).toEqual([]);
  expect(publish.steps.at(-1)?.run).toContain('imagetools create --tag "$tag" "$IMAGE@$DIGEST"');
});

test("a released image is scanned again every week, on both platforms", () => {
  const text = readFileSync(join(folder, "scan.yml"), "utf8");
  for (const part of ["cron:", "anchore/scan-action@", "[linux/amd64, linux/arm64]"])
    expect(text).toContain(part);
});

const dependabot = z.object({
  updates: z.array(
    z.object({
      "package-ecosystem": z.string(),
      directory: z.string().optional(),
      directories: z.array(z.string()).optional(),
    }),
  ),
});

test("Dependabot updates packages, actions, and the images of every file", () => {
  const text = readFileSync(join(projectFolder, ".github/dependabot.yml"), "utf8");
  const { updates } = dependabot.parse(parse(text));
  const kinds = updates.map((update) => update["package-ecosystem"]);
  expect(kinds).toEqual(["npm", "github-actions", "docker", "docker-compose"]);
  const directories = updates.flatMap(({ directories = [] }) => directories);
  const files = ["container", "k8s"]
    .filter((folder) => existsSync(join(projectFolder, folder)))
    .flatMap((folder) =>
      readdirSync(join(projectFolder, folder), { recursive: true, encoding: "utf8" }).map((path) =>
        join(folder, path),
      ),
    )
    .filter((path) => /\/Dockerfile$|^k8s\/.*\.yaml$/.test(path))
    .filter((path) => /^(\s+image: |ARG \w+_IMAGE=)/m.test(readFileSync(join(projectFolder, path), "utf8")))
    // The project's own image.
    .filter((path) => !path.startsWith("k8s/base/"));
  const covered = (path: string): boolean => {
    const folder = dirname(`/${path}`);
    return directories.some((each) =>
      each.endsWith("/*") ? dirname(folder) === dirname(each) : folder === each,
    );
  };
  expect(files).toContain("container/Dockerfile");
  expect(files.filter((path) => !covered(path))).toEqual([]);
});
