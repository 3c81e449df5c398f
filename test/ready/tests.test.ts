/** The ninth item fails, with the tests' names, in a copy of the repository whose circuit breakers never open. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { projectFolder } from "../../src/local/state-dir.ts";
import { toManifests } from "../k8s/support/manifests.ts";
import { breakersAndDegradation } from "./tests.ts";

const COPIED = ["src", "test", "container", "package.json", "tsconfig.json", "wrangler.toml"];
const BREAKER = "src/resilience/circuit-breaker/circuit-breaker.ts";
const OPENS = 'this.#enter("open", reason, nowMs);';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ready-"));
  for (const path of COPIED) cpSync(join(projectFolder, path), join(folder, path), { recursive: true });
  symlinkSync(join(projectFolder, "node_modules"), join(folder, "node_modules"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("circuit breakers that never open fail the item", { timeout: 400_000 }, async () => {
  const whole = readFileSync(join(folder, BREAKER), "utf8");
  expect(whole).toContain(OPENS);
  writeFileSync(join(folder, BREAKER), whole.replace(OPENS, ""));
  const repository = { folder, objects: [], manifests: toManifests([]), runsTests: true };
  const { verdict, evidence } = await breakersAndDegradation(repository);
  expect(verdict).toBe("failed");
  expect(evidence.join("\n")).toMatch(/^fails: ./m);
});
