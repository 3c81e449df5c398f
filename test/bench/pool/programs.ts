/** The programs of others that are measured: they are not installed by us, only looked for. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { LocalError } from "../../../src/local/local-error.ts";

export type Program = "nginx" | "haproxy";

/** Where they are on systems whose users do not have it on their PATH. */
const ELSEWHERE = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];

const pathOf = (program: Program): string | undefined =>
  [...(process.env["PATH"] ?? "").split(delimiter), ...ELSEWHERE]
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path));

/** @throws LocalError saying how to install it */
export const programPath = (program: Program): string => {
  const path = pathOf(program);
  if (path !== undefined) return path;
  throw new LocalError(
    `${program} was not found. This benchmark measures against nginx and HAProxy, and installs neither:
  Debian, Ubuntu  apt-get install --no-install-recommends nginx-light haproxy
  macOS           brew install nginx haproxy
Neither has to run: the benchmark starts its own, on free ports of 127.0.0.1.`,
  );
};

const VERSION_TIMEOUT_MS = 5_000;

/** Its first line about itself. */
export const programVersion = async (program: Program): Promise<string> => {
  const { stdout, stderr } = await promisify(execFile)(programPath(program), ["-v"], {
    timeout: VERSION_TIMEOUT_MS,
  });
  return (
    `${stdout}${stderr}`
      .split("\n")[0]
      ?.replace(/^nginx version: | - https.*$/g, "")
      .trim() ?? program
  );
};
