/** Runs the origin as one process or as several that share the API's port. */
import cluster from "node:cluster";
import * as z from "zod/mini";
import type { OriginConfiguration } from "../config/schema.ts";
import type { OriginLog } from "../log/log.ts";
import { createTotals } from "../metrics/totals.ts";
import { type ProcessLog, type ServingProcess, startServer } from "../server.ts";
import { EXIT, firstEnd } from "./exit.ts";
import { createIpc } from "./ipc.ts";
import { listen } from "./listen.ts";
import { runPrimary } from "./primary.ts";
import { createAdmin } from "./readiness.ts";

/** @returns the exit code when the process has to end, or cannot become ready */
const waitForEnd = (
  { ready }: ServingProcess,
  ended: Promise<number>,
  onReady: () => void,
  log: OriginLog,
): Promise<number> => {
  const failed = ready.then(onReady).then(
    () => ended,
    (error: unknown) => {
      log.fatal({ err: error }, "the origin cannot run");
      return EXIT.failure;
    },
  );
  return Promise.race([ended, failed]);
};

const runSingle = async (configuration: OriginConfiguration, processLog: ProcessLog): Promise<number> => {
  const { log } = processLog;
  const { host, adminPort } = configuration.server;
  const ended = firstEnd(log, ["SIGTERM", "SIGINT"], () => undefined);
  const serving = await startServer(configuration, processLog);
  const totals = createTotals(configuration.observability);
  const metrics = async () => totals.text(new Map([[0, await serving.metrics()]]));
  const admin = await listen(createAdmin(serving, metrics).fetch, { host, port: adminPort });
  log.info({ port: serving.port, adminPort: admin.port }, "listening");
  const code = await waitForEnd(serving, ended, () => log.info("ready"), log);
  log.info("draining");
  await serving.drain(true);
  await admin.close(0);
  log.info("stopped");
  return code;
};

/** The longest wait of a write for the other workers' invalidations, milliseconds. */
const CALL_TIMEOUT_MS = 200;

/** A worker's share of the origin's connections: at least one, by the configuration's rules. */
const shareOf = (configuration: OriginConfiguration): OriginConfiguration => {
  const { server, database } = configuration;
  const maxConnections = Math.floor(database.maxConnections / server.workers);
  const minConnections = Math.floor(database.minConnections / server.workers);
  return { ...configuration, database: { ...database, maxConnections, minConnections } };
};

/** One of several processes on the same port. If the primary dies, Node ends the worker. */
const runWorker = async (configuration: OriginConfiguration, processLog: ProcessLog): Promise<number> => {
  const { log } = processLog;
  // A terminal's Ctrl-C reaches every process of its group; the primary decides.
  process.on("SIGINT", () => undefined);
  // After a signal to the whole group, the primary sends another one.
  const ended = firstEnd(log, ["SIGTERM"]);
  const call = createIpc(process, {
    report: () => serving.report(),
    metrics: () => serving.metrics(),
    /** After the response, this worker serves nothing older than another worker's write. */
    invalidate: (tags) => serving.invalidate(z.array(z.string()).parse(tags)),
  });
  const serving = await startServer(shareOf(configuration), processLog, async (tags) => {
    await call("invalidate", tags, CALL_TIMEOUT_MS);
  });
  const code = await waitForEnd(serving, ended, () => void call("ready", undefined, CALL_TIMEOUT_MS), log);
  await serving.drain(code === EXIT.stopped);
  return code;
};

/** @returns the exit code @throws if the origin cannot start */
export const runOrigin = (configuration: OriginConfiguration, processLog: ProcessLog): Promise<number> => {
  if (cluster.isWorker) return runWorker(configuration, processLog);
  return configuration.server.workers > 1
    ? runPrimary(configuration, processLog.log)
    : runSingle(configuration, processLog);
};
