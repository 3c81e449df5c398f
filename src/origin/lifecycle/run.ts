/** Runs the origin as one process or as several that share the API's port. */
import cluster from "node:cluster";
import type { OriginConfiguration } from "../config/schema.ts";
import { type ProcessLog, startServer } from "../server.ts";
import { EXIT, firstStopSignal, firstUncaught, startupFailure } from "./exit.ts";
import { listen } from "./listen.ts";
import { createAdmin } from "./readiness.ts";
import { runPrimary } from "./run-primary.ts";
import { runWorker } from "./run-worker.ts";

const runSingle = async (configuration: OriginConfiguration, processLog: ProcessLog): Promise<number> => {
  const { log } = processLog;
  const { host, adminPort } = configuration.server;
  const stopped = firstStopSignal(log);
  const uncaught = firstUncaught(log);
  const serving = await startServer(configuration, processLog);
  const metrics = { contentType: serving.registry.contentType, text: () => serving.registry.metrics() };
  const admin = await listen(createAdmin(serving, metrics).fetch, { host, port: adminPort });
  log.info({ port: serving.port, adminPort: admin.port }, "listening");
  const code = await Promise.race([
    stopped.then(() => EXIT.stopped),
    uncaught.then(() => EXIT.failure),
    startupFailure(serving.ready, () => log.info("ready"), log),
  ]);
  log.info("draining");
  await serving.drain();
  await admin.close(0);
  log.info("stopped");
  return code;
};

/** @returns the exit code @throws if the origin cannot start */
export const runOrigin = (configuration: OriginConfiguration, processLog: ProcessLog): Promise<number> => {
  if (cluster.isWorker) return runWorker(configuration, processLog);
  return configuration.server.workers > 1
    ? runPrimary(configuration, processLog)
    : runSingle(configuration, processLog);
};
