/** A stand-in for an origin, in a process of its own; see `stand-in-process.ts`. */
import { fileURLToPath } from "node:url";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import type { Run } from "../support/bench.ts";
import { rawRequest } from "../support/request-batch.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";

/**
 * @param keys records of API keys by id
 * @throws LocalError if it does not start
 */
export const startStandIn = async (
  keys: Readonly<Record<string, string>>,
  run: Run,
): Promise<ServerProcess> =>
  await startServer(
    {
      name: "the origin's stand-in",
      folder: projectFolder,
      args: [fileURLToPath(new URL("./stand-in-process.ts", import.meta.url))],
      environment: { KEYS: JSON.stringify(keys) },
      port: await freePort(),
      readyRequest: () => rawRequest({ method: "GET", target: "/", headers: { host: "127.0.0.1" } }),
    },
    run,
  );
