/** `npm run dev`: after an edit, checks the syntax, starts the tiers that use the file again, and checks the types. */
import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { transform } from "esbuild";
import { type Child, spawnChild } from "./child-process.ts";
import { describeError, isSystemError } from "./local-error.ts";
import type { Stack, Tier } from "./stack.ts";
import { projectFolder } from "./state-dir.ts";

const folder = join(projectFolder, "src");
/** Editors write several files, or one in several steps, milliseconds. */
const GATHER_MS = 60;
const MAX_TYPE_ERRORS = 10;

/** What is started again for a file of `src`: nothing for `ops`, which does not run, and `local`, which cannot be. */
const tiersOf = (file: string): readonly Tier[] => {
  const [top] = file.split(/[\\/]/);
  if (top === "local" || top === "ops") return [];
  if (top === "edge") return ["edge"];
  return top === "origin" ? ["origins"] : ["origins", "edge"];
};

/** @returns undefined without an error, and for a file that was removed */
const syntaxError = async (file: string): Promise<string | undefined> => {
  if (!file.endsWith(".ts")) return undefined;
  try {
    const text = await readFile(join(folder, file), "utf8");
    await transform(text, { loader: "ts", sourcefile: `src/${file}`, logLevel: "silent" });
    return undefined;
  } catch (error) {
    return isSystemError(error, "ENOENT") ? undefined : describeError(error);
  }
};

const TSC = ["node_modules/typescript/bin/tsc", "-b", "src/edge", "src/origin", "--pretty", "false"];

/** The compiler trusts its last result for files that are older than it: one that was made during an edit may be wrong. */
const DOUBT_MS = 1_000;

/** The compiler, of which only the run for the latest edit counts. */
const typeChecks = (print: (line: string) => void) => {
  let running: Child | undefined;
  let latest = 0;
  let endedAtMs = Number.NEGATIVE_INFINITY;
  let isDoubtful = false;
  let hadErrors = false;
  const check = async (): Promise<void> => {
    latest += 1;
    const own = latest;
    isDoubtful ||= running !== undefined || performance.now() - endedAtMs < DOUBT_MS;
    await running?.stop();
    if (own !== latest) return;
    const errors: string[] = [];
    const child = spawnChild({
      name: "the compiler",
      command: process.execPath,
      args: [...TSC, ...(isDoubtful ? ["--force"] : [])],
      cwd: projectFolder,
      endsWithParent: "SIGTERM",
      onLine: (line) => void errors.push(line),
    });
    running = child;
    const { code } = await child.exited;
    endedAtMs = performance.now();
    running = undefined;
    if (own !== latest) return;
    isDoubtful = false;
    if (code !== 0) for (const line of errors.slice(0, MAX_TYPE_ERRORS)) print(`  ! ${line}`);
    else if (hadErrors) print("  ✓ the types are right again");
    hadErrors = code !== 0;
  };
  return { check, stop: async (): Promise<void> => await running?.stop() };
};

/** @returns stops watching */
export const watchSources = (
  { restartTiers }: Pick<Stack, "restartTiers">,
  print: (line: string) => void,
): (() => Promise<void>) => {
  const types = typeChecks(print);
  const changed = new Set<string>();
  /** Files whose tiers were not started again, because one of them has a syntax error. */
  let waiting: readonly string[] = [];
  let working: Promise<void> | undefined;
  let isStopping = false;

  const apply = async (files: readonly string[]): Promise<void> => {
    const errors = (await Promise.all(files.map(syntaxError))).filter((error) => error !== undefined);
    waiting = errors.length > 0 ? files : [];
    for (const error of errors) print(`  ! ${error}`);
    if (errors.length > 0) return;
    print(`  … ${files.map((file) => `src/${file}`).join(", ")}`);
    void types.check();
    const tiers = new Set(files.flatMap(tiersOf));
    if (tiers.size === 0) print("  ! src/local takes effect when npm run dev is started again");
    await restartTiers(tiers).catch((error: unknown) => print(`  ! ${describeError(error)}`));
  };

  const work = async (): Promise<void> => {
    while (changed.size > 0 && !isStopping) {
      await pause(GATHER_MS);
      const files = [...new Set([...waiting, ...changed])];
      changed.clear();
      await apply(files);
    }
  };

  const watcher = watch(folder, { recursive: true }, (_event, file) => {
    if (file === null || !/\.(ts|sql)$/.test(file)) return;
    changed.add(file);
    working ??= work().finally(() => {
      working = undefined;
    });
  });
  watcher.on("error", (error) => print(`  ! src is no longer watched: ${describeError(error)}`));
  print("Watching src: what uses an edited file is started again.\n");
  return async () => {
    isStopping = true;
    watcher.close();
    await types.stop();
    await working;
  };
};
