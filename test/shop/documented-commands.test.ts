/** Every command of the README and of docs/your-api.md works as it stands there. */
import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { erasePostgres } from "../../src/local/postgres.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import {
  announcedStatus,
  type CommandResult,
  readSteps,
  runCommands,
} from "../support/documented-commands.ts";
import { type LocalRun, runLocal } from "../support/local-run.ts";

const pageSteps = (path: string) => readSteps(readFileSync(join(projectFolder, path), "utf8"));

let folder: string;
beforeEach(async () => {
  // Below the project: the compiler names no types of packages that are linked from elsewhere.
  await mkdir(join(projectFolder, ".breakwater"), { recursive: true });
  folder = await mkdtemp(join(projectFolder, ".breakwater/docs-"));
});
afterEach(async () => {
  await erasePostgres(join(folder, ".breakwater/postgres"));
  await rm(folder, { recursive: true, force: true });
});

/** What a reader copies from the banner. */
const bannerValues = async (run: LocalRun): Promise<Record<string, string>> => {
  const find = async (title: string, pattern: RegExp): Promise<string> =>
    pattern.exec(await run.line(title))?.[1] ?? "";
  return {
    API: await find("  API ", /(http:\S+)/),
    ORIGIN: await find("  Origins ", /(http:\S+)/),
    ORIGIN_PID: await find("  Origins ", /process (\d+)/),
  };
};

const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  BREAKWATER_FOLDER: join(folder, ".breakwater"),
});

const expectSuccess = (results: readonly CommandResult[]): void => {
  expect(results.filter(({ status }) => status !== 0)).toEqual([]);
  const announced = results.filter(({ command }) => announcedStatus(command) !== undefined);
  const wrong = announced.filter(({ command, output }) => !output.includes(announcedStatus(command) ?? ""));
  expect(wrong).toEqual([]);
};

const stop = async (run: LocalRun): Promise<void> => {
  run.interrupt();
  expect(await run.exited).toBe(0);
};

describe("the commands of the README", () => {
  test("succeed, and get the statuses that their comments announce", async () => {
    const steps = pageSteps("README.md");
    expect(steps.length).toBeGreaterThan(25);
    const run = runLocal(projectFolder, join(folder, ".breakwater"));
    await run.line("Ctrl-C stops everything");
    const results = runCommands(steps, await bannerValues(run), { cwd: projectFolder, env: environment() });
    expectSuccess(results);
    await stop(run);
  });
});

describe("the walk of docs/your-api.md", () => {
  test("replaces the shop by an API that type-checks, starts and responds", async () => {
    for (const name of ["package.json", "tsconfig.json", "wrangler.toml", "src", "test", "container", "k8s"])
      await cp(join(projectFolder, name), join(folder, name), { recursive: true });
    await symlink(join(projectFolder, "node_modules"), join(folder, "node_modules"));
    const steps = pageSteps("docs/your-api.md");
    const start = steps.findIndex(({ kind }) => kind === "start");
    expect(start).toBeGreaterThan(6);
    const before = steps.slice(0, start);
    expectSuccess(runCommands(before, {}, { cwd: folder, env: environment() }));
    for (const step of steps) {
      if (step.kind !== "file") continue;
      await mkdir(dirname(join(folder, step.path)), { recursive: true });
      await writeFile(join(folder, step.path), step.text);
    }
    const run = runLocal(folder, join(folder, ".breakwater"));
    await run.line("Ctrl-C stops everything");
    const values = await bannerValues(run);
    expectSuccess(runCommands(steps.slice(start), values, { cwd: folder, env: environment() }));
    await stop(run);
  });
});
