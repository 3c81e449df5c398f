/** What runs on GitHub is what was read: actions by commit, no more rights than needed. */
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

  test("pins every action by its commit, and says which version that is", () => {
    const uses = text.split("\n").filter((line) => /\buses:/.test(line));
    expect(uses.length).toBeGreaterThan(0);
    expect(uses.filter((line) => !/uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual([]);
  });

  test("reads only, but for jobs that say what they write", () => {
    expect(permissions).toEqual({ contents: "read" });
    for (const [job, { permissions: own, steps }] of Object.entries(jobs)) {
      // A job that may write runs no code of the packages.
      const runsPackages = steps.some(({ run = "" }) => /\bnp[mx]\b/.test(run));
      expect([job, own !== undefined && runsPackages]).toEqual([job, false]);
    }
  });

  test("puts nothing that a stranger writes into a shell", () => {
    const scripts = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
    expect(scripts.filter((run) => run.includes("${{"))).toEqual([]);
  });
});

test("a release is for both platforms, scanned, with SBOM, provenance and signature, on the Dockerfile's bases", () => {
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
