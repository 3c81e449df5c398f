/** Items that tests judge which drive whole systems; the ninth is one: breakers and degradation. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { type Finding, type Judge, open, passed, type Repository, revisionOf, unless } from "./item.ts";

const FILES = ["test/e2e/breakers.test.ts", "test/e2e/degradation.test.ts"];
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
    const args = ["vitest", "run", "--config", "test/vitest.config.ts", "--project", "e2e"];
    const child = spawn("npx", [...args, "--reporter=json", `--outputFile=${path}`, ...files], {
      cwd: repository.folder,
      env: { ...process.env, TEST_LONG: "1" },
      stdio: "ignore",
      timeout: TIMEOUT_MS,
    });
    await new Promise((resolve) => child.once("close", resolve));
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
