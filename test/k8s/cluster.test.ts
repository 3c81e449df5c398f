/**
 * With TEST_CLUSTER set: the API server of kubectl's current context admits every overlay, as a dry run. It creates the
 * namespaces, and needs the definitions of the custom resources (.github/workflows/ci.yml installs them).
 */
import { spawnSync } from "node:child_process";
import { Namespace } from "kubernetes-models/v1/Namespace";
import { describe, expect, test } from "vitest";
import { someCombinations } from "./support/combinations.ts";
import { parseManifests, toManifests } from "./support/manifests.ts";
import { renderCombination } from "./support/render.ts";

const ADMISSION_MS = 120_000;

const kubectl = (args: readonly string[], input: string): { status: number | null; stderr: string } =>
  spawnSync("kubectl", args, { input, encoding: "utf8", timeout: ADMISSION_MS });

const FROM_INPUT = ["--filename", "-"];

describe.runIf(process.env["TEST_CLUSTER"])("an API server", () => {
  test.for(someCombinations())("admits $base with $components, without a warning", {
    timeout: 2 * ADMISSION_MS,
  }, (combination) => {
    const { yaml } = renderCombination(combination);
    // A dry run creates no namespace for the objects in it.
    for (const namespace of toManifests(parseManifests(yaml)).of(Namespace))
      expect(kubectl(["apply", ...FROM_INPUT], JSON.stringify(namespace))).toMatchObject({ status: 0 });
    const { status, stderr } = kubectl(
      ["apply", "--dry-run=server", "--warnings-as-errors", ...FROM_INPUT],
      yaml,
    );
    expect([status, stderr]).toEqual([0, ""]);
  });
});
