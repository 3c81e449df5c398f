/** CPU time of the Worker's start-up on this machine; Cloudflare allows 1 s. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { functionTimes, profileSchema } from "../support/profile.ts";

const TIMEOUT_MS = 120_000;
const US_PER_MS = 1_000;

/** @param folder receives the profile @returns milliseconds */
export const startupMs = async (folder: string, signal: AbortSignal): Promise<number> => {
  const wrangler = join(projectFolder, "node_modules/wrangler/bin/wrangler.js");
  const outfile = join(folder, "startup.cpuprofile");
  await promisify(execFile)(
    process.execPath,
    [wrangler, "check", "startup", "--args=--env production", "--outfile", outfile],
    { cwd: projectFolder, signal, timeout: TIMEOUT_MS },
  );
  const profile = profileSchema.parse(JSON.parse(await readFile(outfile, "utf8")));
  return functionTimes(profile).reduce((sum, { selfUs }) => sum + selfUs, 0) / US_PER_MS;
};
