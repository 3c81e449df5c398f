/** Preloaded into an origin: logs the size of its heap, and fails with an uncaught error on SIGUSR2. */
import { getHeapStatistics } from "node:v8";

const MEBIBYTE = 1024 * 1024;
const heapMiB = Math.round(getHeapStatistics().heap_size_limit / MEBIBYTE);
process.stdout.write(`${JSON.stringify({ message: "heap", pid: process.pid, heapMiB })}\n`);

process.on("SIGUSR2", () => {
  if (process.env["FAULT"] === "rejection") {
    void Promise.reject(new Error("rejected on purpose"));
    return;
  }
  setTimeout(() => {
    throw new Error("thrown on purpose");
  });
});
