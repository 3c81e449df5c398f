/** What is in memory once all garbage is collected. Only Node can be told to collect it. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

export const usedBytes = (): number => {
  if (typeof collect !== "function") throw new Error("garbage cannot be collected");
  collect();
  return process.memoryUsage().heapUsed;
};
