/** Runs git in a repository. */
import { execFile } from "node:child_process";
import { LocalError } from "../local/local-error.ts";

const TIMEOUT_MS = 120_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

export interface GitResult {
  readonly stdout: string;
  readonly code: number;
}

/** @param environment added to this process's @throws LocalError with git's message, unless the exit code is allowed */
export const runGit = (
  folder: string,
  args: readonly string[],
  { environment = {}, allowed = [0] }: { environment?: NodeJS.ProcessEnv; allowed?: readonly number[] } = {},
): Promise<GitResult> => {
  const options = {
    cwd: folder,
    env: { ...process.env, ...environment },
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
  };
  return new Promise((resolve, reject) => {
    execFile("git", [...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === "number" && allowed.includes(code)) resolve({ stdout, code });
      else reject(new LocalError(`git ${args[0]} failed: ${(stderr || stdout || String(error)).trim()}`));
    });
  });
};

/** The output's lines, without empty ones. */
export const linesOf = ({ stdout }: GitResult): string[] => stdout.split("\n").filter((line) => line !== "");

/** @throws LocalError if files have changed since the last commit, or are new and not ignored */
export const requireCleanTree = async (folder: string): Promise<void> => {
  if (linesOf(await runGit(folder, ["status", "--porcelain"])).length > 0)
    throw new LocalError("the work tree has changes: commit or stash them first");
};
