/** Memory in use after a full garbage collection, which only Node offers. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

export const usedBytes = (): number => {
  if (typeof collect !== "function") throw new Error("garbage cannot be collected");
  collect();
  return process.memoryUsage().heapUsed;
};
