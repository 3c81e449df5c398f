/** `npm start` as a user runs it, as a process with its own folder. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { compileCache } from "../../src/local/state-dir.ts";

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

const processTable = (): { pid: number; parent: number }[] =>
  execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([pid = 0, parent = 0]) => ({ pid, parent }));

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
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
    env: { ...process.env, ...compileCache, BREAKWATER_FOLDER: folder, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error("the local system could not be started");
  const output: string[] = [];
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      output.push(line);
      for (const look of waiting) look();
    });
  }
  let isOver = false;
  const exited = once(child, "close").then(([code]) => {
    isOver = true;
    for (const look of waiting) look();
    return typeof code === "number" ? code : null;
  });
  const line = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = output.find((each) => each.includes(text));
        if (found === undefined && !isOver) return;
        waiting.delete(look);
        if (found === undefined) reject(new Error(`ended without "${text}":\n${output.join("\n")}`));
        else resolve(found);
      };
      waiting.add(look);
      look();
    });
  const descendants = (): number[] => {
    const table = processTable();
    const found = new Set([pid]);
    for (let before = 0; before !== found.size; ) {
      before = found.size;
      for (const each of table) if (found.has(each.parent)) found.add(each.pid);
    }
    return [...found];
  };
  return { pid, output, line, interrupt: () => void process.kill(-pid, "SIGINT"), exited, descendants };
};
