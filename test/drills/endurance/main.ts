/**
 * `npm run endurance`: long runs over the real system. Exits with 1 if a promise was broken, with 2 for wrong arguments.
 */
import { parseArgs } from "node:util";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { useOwnEnvironment } from "../../../src/local/environment.ts";
import type { Outcome, Running } from "./outcome.ts";
import { restarts } from "./restarts.ts";
import { soak } from "./soak.ts";
import { surge } from "./surge.ts";

const USAGE = `npm run endurance -- soak [--minutes 30] [--rate 150]            memory, files and handles under a constant load
npm run endurance -- restarts [--times 200] [--requests 100000]  origins replaced under keep-alive POSTs
npm run endurance -- surge [--rate 10]                           ten times the load, and the return to normal
  --json                                                         the result as JSON`;

/** A shorter one has too few samples for a trend. */
const MIN_SOAK_MINUTES = 6;

type Start = (running: Running) => Promise<Outcome>;

/** @throws Error with a message for the user */
const readNumber = (
  name: string,
  text: string | undefined,
  byDefault: number,
  [min, max]: readonly [min: number, max: number],
): number => {
  const value = text === undefined ? byDefault : Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new Error(`--${name} ${text}: use a whole number from ${min} to ${max}`);
  return value;
};

/** @throws Error with a message for the user */
const readArguments = (): { readonly start: Start; readonly isJson: boolean } => {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    options: {
      ...{ minutes: text, rate: text, times: text, requests: text },
      json: { type: "boolean" },
    },
    allowPositionals: true,
  });
  const [name, ...others] = positionals;
  const known = { soak: ["minutes", "rate"], restarts: ["times", "requests"], surge: ["rate"] };
  if (others.length > 0 || (name !== "soak" && name !== "restarts" && name !== "surge"))
    throw new Error(USAGE);
  const unknown = Object.keys(values).find((key) => key !== "json" && !known[name].includes(key));
  if (unknown !== undefined) throw new Error(`${name} has no --${unknown}\n${USAGE}`);
  const rate = readNumber("rate", values.rate, name === "soak" ? 150 : 10, [1, 2_000]);
  const minutes = readNumber("minutes", values.minutes, 30, [MIN_SOAK_MINUTES, 24 * 60]);
  const times = readNumber("times", values.times, 200, [1, 10_000]);
  const requests = readNumber("requests", values.requests, 100_000, [1, 10_000_000]);
  const starts: Record<typeof name, Start> = {
    soak: (running) => soak({ minutes, rate }, running),
    restarts: (running) => restarts({ times, requests }, running),
    surge: (running) => surge({ rate }, running),
  };
  return { start: starts[name], isJson: values.json === true };
};

const print = ({ report, figures, broken }: Outcome, isJson: boolean): void => {
  const lines = isJson
    ? [JSON.stringify({ ...figures, broken }, undefined, 2)]
    : [report, ...broken.map((line) => `  ! ${line}`), broken.length === 0 ? "kept every promise" : ""];
  process.stdout.write(`${lines.join("\n").trimEnd()}\n`);
};

const run = async (): Promise<number> => {
  let chosen: ReturnType<typeof readArguments>;
  try {
    chosen = readArguments();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  useOwnEnvironment();
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => interrupt.abort(new Error(`interrupted by ${name}`)));
  const cleanups = new CleanupStack();
  try {
    const onProgress = (line: string): void => void process.stderr.write(`${line}\n`);
    const outcome = await chosen.start({ cleanups, signal: interrupt.signal, onProgress });
    print(outcome, chosen.isJson);
    return outcome.broken.length === 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await cleanups.runAll();
  }
};

process.exitCode = await run();
