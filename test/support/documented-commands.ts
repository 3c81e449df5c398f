/** Reads a page's commands and files, and runs the commands as a reader would paste them. */
import { execFileSync, spawnSync } from "node:child_process";

/** In the page's order. */
export type Step =
  | { readonly kind: "command"; readonly text: string; readonly line: number }
  /** The page asks the reader to start the system. */
  | { readonly kind: "start" }
  | { readonly kind: "file"; readonly path: string; readonly text: string };

/** A command, with what it printed. */
export interface CommandResult {
  readonly command: string;
  readonly status: number;
  readonly output: string;
}

const isComplete = (command: string): boolean =>
  spawnSync("bash", ["-n"], { input: command, stdio: ["pipe", "ignore", "ignore"] }).status === 0 &&
  !command.endsWith("\\");

/** The commands of a block: each as many lines as a shell needs. */
const commandsOf = (block: readonly string[], firstLine: number): Step[] => {
  const steps: Step[] = [];
  let pending: string[] = [];
  for (const [index, line] of block.entries()) {
    if (pending.length === 0 && (line === "" || line.startsWith("#"))) continue;
    pending.push(line);
    const text = pending.join("\n");
    if (!isComplete(text)) continue;
    steps.push({ kind: "command", text, line: firstLine + index - pending.length + 1 });
    pending = [];
  }
  if (pending.length > 0) throw new Error(`line ${firstLine}: an incomplete command`);
  return steps;
};

/**
 * A block in `sh` is commands, unless the line above it is `<!-- skip: REASON -->`, or `<!-- start -->` for the one that starts
 * the system. A block below a line such as `` `src/a.ts`: `` is that file.
 */
export const readSteps = (page: string): Step[] => {
  const lines = page.split("\n");
  const steps: Step[] = [];
  let above = "";
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    const [, language] = /^```(\w*)$/.exec(line) ?? [];
    if (language === undefined) {
      if (line !== "") above = line;
      continue;
    }
    const end = lines.indexOf("```", at + 1);
    const block = lines.slice(at + 1, end);
    const [, path] = /^`([\w./-]+)`:$/.exec(above) ?? [];
    if (path !== undefined) steps.push({ kind: "file", path, text: `${block.join("\n")}\n` });
    else if (above === "<!-- start -->") steps.push({ kind: "start" });
    else if (language === "sh" && !above.startsWith("<!-- skip: ")) steps.push(...commandsOf(block, at + 2));
    above = "";
    at = end;
  }
  return steps;
};

/** Ends the output of a command: a control character that no command prints. */
const END = "\u001e";

/**
 * Runs the commands in one shell, so that variables live on.
 *
 * @param values of variables that a reader copies from the banner, such as `API`
 */
export const runCommands = (
  steps: readonly Step[],
  values: Readonly<Record<string, string>>,
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): CommandResult[] => {
  const commands = steps
    .filter((step) => step.kind === "command")
    .map(({ text }) => text.replace(/^(\w+)=.*# from the banner$/, (_, name) => `${name}=${values[name]}`));
  const script = commands.map((command) => `${command}\nprintf '${END}%d${END}' $?\n`).join("");
  const output = execFileSync("bash", ["-c", `exec 2>&1\n${script}`], {
    ...options,
    encoding: "utf8",
    timeout: 240_000,
    maxBuffer: 16 * 1024 * 1024,
  });
  const parts = output.split(END);
  return commands.map((command, index) => ({
    command,
    output: parts[index * 2] ?? "",
    status: Number(parts[index * 2 + 1]),
  }));
};

/** The status that a comment at a command's end announces, such as `# 404`. */
export const announcedStatus = (command: string): string | undefined =>
  /#\s+([1-5]\d\d)\b/.exec(command)?.[1];
