/**
 * One of several processes on the same port. The primary handles signals and decides when the worker drains. If the primary
 * dies, Node's cluster ends the worker.
 */
import * as z from "zod/mini";
import type { OriginConfiguration } from "../config/schema.ts";
import { type ProcessLog, startServer } from "../server.ts";
import { EXIT, firstUncaught, startupFailure } from "./exit.ts";
import { createIpc, type IpcMessage } from "./ipc.ts";

/** How long a write waits for the other workers to invalidate its tags, milliseconds. */
const INVALIDATION_TIMEOUT_MS = 200;

/** A worker's share of the origin's connections. */
const shareOf = (configuration: OriginConfiguration): OriginConfiguration => {
  const { server, database } = configuration;
  const maxConnections = Math.max(1, Math.floor(database.maxConnections / server.workers));
  const minConnections = Math.floor(database.minConnections / server.workers);
  return { ...configuration, database: { ...database, maxConnections, minConnections } };
};

const sendToPrimary = (message: IpcMessage): void => {
  // Without a primary there is no channel.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

/** @returns the exit code @throws if the worker cannot start */
export const runWorker = async (
  configuration: OriginConfiguration,
  processLog: ProcessLog,
): Promise<number> => {
  const { log } = processLog;
  // A terminal's Ctrl-C reaches every process of its group; the primary decides.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  const uncaught = firstUncaught(log);
  const stopped = Promise.withResolvers<number>();
  const ipc = createIpc(sendToPrimary, {
    report: () => serving.report(),
    metrics: () => serving.registry.getMetricsAsJSON(),
    /** Another worker has written; the response confirms that nothing older is served. */
    invalidate: (tags) => serving.invalidate(z.array(z.string()).parse(tags)),
    drain: () => stopped.resolve(EXIT.stopped),
  });
  const serving = await startServer(shareOf(configuration), processLog, async (tags) => {
    await ipc.call("invalidate", tags, INVALIDATION_TIMEOUT_MS);
  });
  process.on("message", ipc.receive);
  ipc.notify("listening", serving.port);
  const code = await Promise.race([
    stopped.promise,
    uncaught.then(() => EXIT.failure),
    startupFailure(serving.ready, () => ipc.notify("ready"), log),
  ]);
  await serving.drain(code === EXIT.stopped);
  return code;
};
