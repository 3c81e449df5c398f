/** Installs the opponents' packages, which are not dependencies of the project. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawnChild } from "../../../src/local/child-process.ts";
import { LocalError } from "../../../src/local/local-error.ts";

export const peersFolder = fileURLToPath(new URL("../peers/", import.meta.url));

const INSTALL_TIMEOUT_MS = 300_000;

const changedMs = async (name: string): Promise<number> =>
  (await stat(join(peersFolder, name)).catch(() => undefined))?.mtimeMs ?? 0;

/**
 * Installs them unless they are newer than the lock file.
 *
 * @throws LocalError if npm fails or takes longer than five minutes
 */
export const installPeers = async (
  signal: AbortSignal,
  onProgress: (line: string) => void,
): Promise<void> => {
  // npm writes this one last.
  const isInstalled =
    (await changedMs("node_modules/.package-lock.json")) > (await changedMs("package-lock.json"));
  if (isInstalled) return;
  signal.throwIfAborted();
  onProgress("installing the opponents' packages into test/bench/peers (once, about 180 MB) …");
  const npm = spawnChild({ name: "npm ci", command: "npm", args: ["ci", "--prefix", peersFolder] });
  const stop = (): void => void npm.stop();
  signal.addEventListener("abort", stop);
  try {
    const isDone = await npm.exitsWithin(INSTALL_TIMEOUT_MS);
    await npm.stop();
    signal.throwIfAborted();
    const { code } = await npm.exited;
    if (!isDone || code !== 0) {
      throw new LocalError(
        `the opponents' packages could not be installed (npm ci --prefix test/bench/peers): ${npm.tail().join("\n")}`,
      );
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
};
