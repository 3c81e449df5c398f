import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runChecks } from "./checks/all.ts";
import { allCombinations, someCombinations } from "./support/combinations.ts";
import { parseManifests } from "./support/manifests.ts";
import { hasKubectl, isRequired, k8sFolder, render, renderCombination } from "./support/render.ts";

const combinations = process.env["TEST_LONG"] ? allCombinations() : someCombinations();

const names = (folder: string): string[] => readdirSync(join(k8sFolder, folder));

test("every component and every overlay is in some combination", () => {
  const components = new Set(combinations.flatMap((combination) => combination.components));
  expect([...components].sort()).toEqual(names("components").sort());
  const bases = new Set(combinations.map(({ base }) => base));
  expect([...bases].sort()).toEqual([".", ...names("overlays").map((name) => `overlays/${name}`)].sort());
});

describe.skipIf(!hasKubectl && !isRequired)("a rendering of k8s/", () => {
  test.for([
    ".",
    "base",
    "overlays/dev",
    "overlays/direct",
    "overlays/staging",
    "overlays/production",
  ])("of %s has no warnings", (base) => {
    expect(render(join(k8sFolder, base)).warnings).toBe("");
  });

  test.for(
    combinations,
  )("of $base with $components has no warnings and passes every check", (combination) => {
    const { yaml, warnings } = renderCombination(combination);
    expect(warnings).toBe("");
    expect(runChecks(parseManifests(yaml))).toEqual({});
  });
});
