/** What a run has found, as text. */
import { type FileCoverage, merged, shareOf } from "./coverage.ts";
import type { Report, Run } from "./run.ts";

/** Share of a parser's lines that have to run, of a million inputs, percent. */
export const COVERED_GOAL = 90;
/** Memory that a target may have gained after its first tenth: caches fill later than that, bytes. */
const MAX_GROWN_BYTES = 64 * 1024 * 1024;
const MIB = 1024 * 1024;

export const isCovered = (file: FileCoverage, goal = COVERED_GOAL): boolean => shareOf(file) * 100 >= goal;

const isLeak = ({ grownBytes }: Report): boolean => grownBytes > MAX_GROWN_BYTES;

export const isPassed = (report: Report): boolean => report.failures.length === 0 && !isLeak(report);

/** Of one target: name, inputs, failures, slowest input, gained memory, duration. */
export const resultRow = (report: Report): string[] => [
  report.target,
  String(report.inputs),
  String(report.failures.length),
  `${report.slowest.ms.toFixed(1)} ms`,
  `${(report.grownBytes / MIB).toFixed(1)} MiB${isLeak(report) ? " !" : ""}`,
  `${report.seconds.toFixed(1)} s`,
];

const MAX_SHOWN = 300;

const shortened = (text: string): string =>
  text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}… (${text.length} characters)`;

export const failureLines = ({ target, failures }: Report): string[] =>
  failures.flatMap(({ input, reason, seed }) => [
    `  ! ${shortened(input)}`,
    ...reason.split("\n").map((line) => `    ${line}`),
    ...(seed === undefined
      ? []
      : [`    again: npm run fuzz -- --target ${target} --seed ${seed} --inputs 500`]),
  ]);

/** `3-5, 9` */
const ranges = (numbers: readonly number[]): string => {
  const parts: [number, number][] = [];
  for (const number of numbers) {
    const last = parts.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(", ");
};

/** By file. */
export const coverageOf = (runs: readonly Run[]): FileCoverage[] =>
  merged(runs.flatMap(({ coverage }) => coverage)).sort((a, b) => (a.file < b.file ? -1 : 1));

export const coverageRow = (file: FileCoverage): string[] => [
  file.file,
  String(file.lines - file.missed.length),
  String(file.lines),
  `${(shareOf(file) * 100).toFixed(1)} %${isCovered(file) ? "" : " !"}`,
  ranges(file.missed),
];
