/** `npm start` as a user runs it, as a process with its own folder. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { vi } from "vitest";
import { compileCache, projectFolder } from "../../src/local/state-dir.ts";

export interface LocalRun {
  readonly pid: number;
  readonly output: readonly string[];
  /** Resolves when a line with the text is printed; rejects if the process exits first. */
  line(text: string): Promise<string>;
  /** Ctrl-C: like a terminal, signals the whole process group. */
  interrupt(): void;
  readonly exited: Promise<number | null>;
  /** The current processes that descend from this one, and itself. */
  descendants(): number[];
}

/** The time limit of a test. */
const LINE_TIMEOUT_MS = 180_000;

const processTable = (): { pid: number; parent: number }[] =>
  execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([pid = 0, parent = 0]) => ({ pid, parent }));

/** The processes that descend from one, and itself. */
export const descendantsOf = (pid: number): number[] => {
  const table = processTable();
  const found = new Set([pid]);
  for (let before = 0; before !== found.size; ) {
    before = found.size;
    for (const each of table) if (found.has(each.parent)) found.add(each.pid);
  }
  return [...found];
};

export const runLocal = (
  project: string,
  folder: string,
  args: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): LocalRun => {
  const child = spawn(process.execPath, ["src/local/main.ts", "--port", "0", ...args], {
    cwd: project,
    detached: true,
    env: {
      ...process.env,
      // A copy of the project has an API of its own, and no fixture.
      ...(project === projectFolder ? {} : { NODE_OPTIONS: "" }),
      ...compileCache,
      BREAKWATER_FOLDER: folder,
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error("the local system could not be started");
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => void output.push(line));
  let isOver = false;
  const exited = once(child, "close").then(([code]) => {
    isOver = true;
    return typeof code === "number" ? code : null;
  });
  const line = (text: string): Promise<string> => {
    const find = (): string | undefined => {
      const found = output.find((each) => each.includes(text));
      if (found === undefined && isOver) throw new Error(`ended without "${text}":\n${output.join("\n")}`);
      return found;
    };
    return vi.waitUntil(find, { timeout: LINE_TIMEOUT_MS, interval: 5 });
  };
  const descendants = (): number[] => descendantsOf(pid);
  return { pid, output, line, interrupt: () => void process.kill(-pid, "SIGINT"), exited, descendants };
};
