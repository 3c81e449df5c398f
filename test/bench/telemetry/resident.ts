/** What a process holds in memory, as Linux tells it. */
import { readFile } from "node:fs/promises";

const KIB_PER_MIB = 1_024;

/** Such as "88 MiB"; a dash where the system does not tell. */
export const residentMib = async (pid: number): Promise<string> => {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kib = /^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? "–" : `${(Number(kib) / KIB_PER_MIB).toFixed(0)} MiB`;
};
