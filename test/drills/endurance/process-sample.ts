/** What a process uses, as the kernel counts it. */
import { readdir, readFile } from "node:fs/promises";
import * as z from "zod";
import { childEnvironment } from "../../../src/local/environment.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { fetchRead } from "../../support/fetch.ts";

export interface Usage {
  readonly rssKib: number;
  /** Open file descriptors, sockets included. */
  readonly descriptors: number;
}

/** @throws Error if the process has ended */
export const usageOf = async (pid: number): Promise<Usage> => {
  const [status, descriptors] = await Promise.all([
    readFile(`/proc/${pid}/status`, "utf8"),
    readdir(`/proc/${pid}/fd`),
  ]);
  const rssKib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  if (Number.isNaN(rssKib)) throw new Error(`process ${pid} has ended`);
  return { rssKib, descriptors: descriptors.length };
};

const heap = z.object({ heapBytes: z.number(), handles: z.number() });
const PROBE_TIMEOUT_MS = 10_000;

export interface HeapProbe {
  /** Variables of the process that is probed. */
  readonly environment: Readonly<Record<string, string>>;
  /** After a full garbage collection. @throws Error if the process does not respond */
  read(): Promise<{ readonly heapKib: number; readonly handles: number }>;
}

export const createHeapProbe = async (): Promise<HeapProbe> => {
  const port = await freePort();
  const options = childEnvironment()["NODE_OPTIONS"] ?? "";
  const probe = new URL("./heap-probe.ts", import.meta.url).href;
  return {
    environment: { NODE_OPTIONS: `${options} --import ${probe}`, HEAP_PROBE_PORT: String(port) },
    read: async () => {
      const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
      const response = await fetchRead(`http://127.0.0.1:${port}`, { signal });
      const { heapBytes, handles } = heap.parse(await response.json());
      return { heapKib: heapBytes / 1_024, handles };
    },
  };
};
