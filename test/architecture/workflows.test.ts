/** GitHub's workflows: pinned actions and minimal permissions. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
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
      const runsPackages = steps.some(({ run = "" }) => /\bnp[mx]\b/.test(run));
      expect([job, own !== undefined && runsPackages]).toEqual([job, false]);
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
