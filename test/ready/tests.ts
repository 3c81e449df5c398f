/** Items that tests judge which drive whole systems; the ninth is one: breakers and degradation. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { withTimeout } from "../../src/lib/async.ts";
import { spawnChild } from "../../src/local/child-process.ts";
import { type Finding, type Judge, open, passed, type Repository, revisionOf, unless } from "./item.ts";

const FILES = ["test/e2e/breakers.test.ts", "test/e2e/degradation.test.ts"];
const VITEST = "node_modules/vitest/vitest.mjs";
const TIMEOUT_MS = 600_000;

const report = z.object({
  numPassedTests: z.number(),
  testResults: z.array(
    z.object({
      assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })),
    }),
  ),
});

/** @returns passed only if one of the tests has run, and all of them have passed */
export const runTests = async (repository: Repository, files: readonly string[]): Promise<Finding> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-ready-"));
  const path = join(folder, "report.json");
  try {
    // The first failure decides, and a broken system may take half a minute for each test.
    const options = ["--config", "test/vitest.config.ts", "--project", "e2e", "--bail=1"];
    const child = spawnChild({
      name: "vitest",
      command: process.execPath,
      args: [VITEST, "run", ...options, "--reporter=json", `--outputFile=${path}`, ...files],
      cwd: repository.folder,
      env: { ...process.env, TEST_LONG: "1" },
      endsWithParent: "SIGTERM",
    });
    await withTimeout(child.exited, TIMEOUT_MS, { fallback: undefined });
    await child.stop();
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) return unless([`${files.join(" and ")} gave no result`], open());
    const { numPassedTests, testResults } = report.parse(JSON.parse(text));
    const failed = testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ status }) => status === "failed");
    const none = numPassedTests === 0 ? ["no test passed"] : [];
    return unless(
      [...failed.map(({ fullName }) => `fails: ${fullName}`), ...none],
      passed(
        `${numPassedTests} tests passed on ${new Date().toISOString().slice(0, 10)} at ${revisionOf(repository)} (${files.join(", ")})`,
      ),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

export const breakersAndDegradation: Judge = async (repository) =>
  repository.runsTests
    ? await runTests(repository, FILES)
    : open(`${FILES.join(" and ")} were not run (--no-tests)`);
