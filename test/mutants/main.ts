/**
 * `npm run mutants [-- TEXT]`: puts one bug after the other into a copy of the project, and shows that the tests notice it. Exits with
 * 1 if a bug survives. With a text, only the bugs whose promise or file has it.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withTimeout } from "../../src/lib/async.ts";
import { spawnChild } from "../../src/local/child-process.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";

const COPIED = ["src", "test", "container", "package.json", "tsconfig.json", "wrangler.toml"];
const VITEST = "node_modules/vitest/vitest.mjs";
const PROJECTS = ["shared", "node", "e2e"].flatMap((name) => ["--project", name]);
/** A bug may make a test wait for ever; that is noticed, too. */
const TIMEOUT_MS = 300_000;

type Result = "killed" | "timed out" | "survived";

/** @throws Error if the tests themselves cannot run */
const runTests = async (folder: string, tests: readonly string[]): Promise<Result> => {
  let hasFailed = false;
  const child = spawnChild({
    name: "vitest",
    command: process.execPath,
    args: [VITEST, "run", "--config", "test/vitest.config.ts", "--bail=1", ...PROJECTS, ...tests],
    cwd: folder,
    env: { ...process.env, TEST_LONG: "1", NO_COLOR: "1" },
    endsWithParent: "SIGTERM",
    onLine: (line) => {
      // The name of a test; a file that cannot be loaded has none, and has noticed nothing.
      if (/^ *FAIL .* > /.test(line)) hasFailed = true;
    },
  });
  const exit = await withTimeout(child.exited, TIMEOUT_MS, { fallback: undefined });
  await child.stop();
  if (exit === undefined) return "timed out";
  if (exit.code === 0) return "survived";
  if (!hasFailed) throw new Error(child.tail().join("\n"));
  return "killed";
};

const tryOut = async (folder: string, { file, from, to, tests }: Mutant): Promise<Result> => {
  const path = join(folder, "src", file);
  const whole = await readFile(path, "utf8");
  if (whole.split(from).length !== 2) throw new Error(`${file} has not exactly one "${from}"`);
  await writeFile(
    path,
    whole.replace(from, () => to),
  );
  try {
    return await runTests(folder, tests);
  } finally {
    await writeFile(path, whole);
  }
};

const run = async (text = ""): Promise<number> => {
  const mutants = MUTANTS.filter(({ promise, file }) => `${promise} ${file}`.includes(text));
  if (mutants.length === 0) throw new Error(`no promise or file has "${text}"`);
  const folder = await mkdtemp(join(tmpdir(), "breakwater-mutants-"));
  try {
    for (const path of COPIED) await cp(join(projectFolder, path), join(folder, path), { recursive: true });
    await symlink(join(projectFolder, "node_modules"), join(folder, "node_modules"));
    const tests = [...new Set(mutants.flatMap((mutant) => mutant.tests))];
    const intact = await runTests(folder, tests);
    if (intact !== "survived") throw new Error(`without a bug, the tests are not green: ${intact}`);
    let survivors = 0;
    for (const mutant of mutants) {
      const result = await tryOut(folder, mutant);
      if (result === "survived") survivors += 1;
      process.stdout.write(`${result.padEnd(10)} ${mutant.promise} (${mutant.file})\n`);
    }
    process.stdout.write(`${mutants.length - survivors} of ${mutants.length} bugs noticed\n`);
    return survivors === 0 ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

process.exitCode = await run(process.argv[2]);
