/** What another process is. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

/**
 * The program and the arguments of a running process, joined by spaces; empty when there is none, or when it has
 * exited and only its parent has not noticed yet.
 */
export const commandLineOf = (pid: number): Promise<string> =>
  process.platform === "linux" ? fromProc(pid) : fromPs(pid);

async function fromProc(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return text.replaceAll("\0", " ").trim();
}

async function fromPs(pid: number): Promise<string> {
  const listing = await promisify(execFile)("ps", ["-ww", "-o", "args=", "-p", String(pid)]).catch(
    () => undefined,
  );
  return (listing?.stdout ?? "").trim();
}
