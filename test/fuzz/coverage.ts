/** Which lines of a file have run, by V8's own counters in this thread. Node removes types without moving a character. */
import { readFileSync } from "node:fs";
import { type Profiler, Session } from "node:inspector/promises";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

// Nothing of `src` may be imported here: it would be compiled too early.
const sourceFolder = fileURLToPath(new URL("../../src/", import.meta.url));

export interface FileCoverage {
  /** Below `src`. */
  readonly file: string;
  /** Lines with code. */
  readonly lines: number;
  /** Numbers of the lines of which some code has not run. */
  readonly missed: readonly number[];
}

export interface Coverage {
  /** @param files below `src` */
  take(files: readonly string[]): Promise<FileCoverage[]>;
}

const COMMENTS = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*/g;

/** A value that only the compiler asks for: the index exists. */
const DEFAULT = /^\s*\?\?\s*(?:0|""|"0"|\[\]|null|undefined|Number\.\w+)\s*$/;

const missedIn = (
  source: string,
  functions: readonly Profiler.FunctionCoverage[],
): FileCoverage["missed"] => {
  const hasRun = new Uint8Array(source.length).fill(1);
  // The ranges of a function are nested, and those of inner functions follow those of outer ones.
  for (const { ranges } of functions)
    for (const { startOffset, endOffset, count } of ranges) {
      const isMissed = count === 0 && !DEFAULT.test(source.slice(startOffset, endOffset));
      hasRun.fill(isMissed ? 0 : 1, startOffset, endOffset);
    }
  const code = stripTypeScriptTypes(source).replace(COMMENTS, (comment) => comment.replace(/\S/g, " "));
  const missed = new Set<number>();
  let line = 1;
  for (let index = 0; index < code.length; index += 1) {
    if (code[index] === "\n") line += 1;
    else if (hasRun[index] === 0 && /\w/.test(code[index] ?? "")) missed.add(line);
  }
  return [...missed];
};

const linesOf = (source: string): number =>
  stripTypeScriptTypes(source)
    .replace(COMMENTS, (comment) => comment.replace(/\S/g, " "))
    .split("\n")
    .filter((line) => /\w/.test(line)).length;

/** Call it before the files are imported: functions that were compiled earlier have no counters. */
export const startCoverage = async (): Promise<Coverage> => {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: false, detailed: true });
  return {
    take: async (files) => {
      const { result } = await session.post("Profiler.takePreciseCoverage");
      session.disconnect();
      return files.map((file) => {
        const path = join(sourceFolder, file);
        const source = readFileSync(path, "utf8");
        const script = result.find(({ url }) => url === pathToFileURL(path).href);
        const lines = linesOf(source);
        if (script === undefined) throw new Error(`no input of its target loads ${file}`);
        return { file, lines, missed: missedIn(source, script.functions) };
      });
    },
  };
};

/** The same files by several targets: what any of them has run. */
export const merged = (all: readonly FileCoverage[]): FileCoverage[] =>
  [...Map.groupBy(all, ({ file }) => file)].map(([file, [first, ...others]]) => ({
    file,
    lines: first?.lines ?? 0,
    missed: (first?.missed ?? []).filter((line) => others.every(({ missed }) => missed.includes(line))),
  }));

export const shareOf = ({ lines, missed }: FileCoverage): number =>
  (lines - missed.length) / Math.max(1, lines);
