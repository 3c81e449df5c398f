/** Installs the packages of the peers, which are no dependencies of the project. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runProgram } from "../../../src/local/child-process.ts";
import type { BenchOptions } from "./bench.ts";

export const peersFolder = fileURLToPath(new URL("../peers/", import.meta.url));

const INSTALL_TIMEOUT_MS = 300_000;

const changedMs = async (name: string): Promise<number> =>
  (await stat(join(peersFolder, name)).catch(() => undefined))?.mtimeMs ?? 0;

/**
 * Installs them unless they are newer than the lock file.
 *
 * @throws LocalError if npm fails or takes longer than five minutes
 */
export const installPeers = async ({ signal, onProgress }: BenchOptions): Promise<void> => {
  // npm writes this one last.
  const installedMs = await changedMs("node_modules/.package-lock.json");
  if (installedMs > (await changedMs("package-lock.json"))) return;
  onProgress("installing the peers' packages into test/bench/peers (once, about 130 MB) …");
  await runProgram(
    { name: "npm ci --prefix test/bench/peers", command: "npm", args: ["ci", "--prefix", peersFolder] },
    { timeoutMs: INSTALL_TIMEOUT_MS, signal },
  );
};
