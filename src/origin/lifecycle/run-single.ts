/** The origin as one process: the API, the admin port, and their shutdown. */
import type { OriginConfiguration } from "../config/schema.ts";
import { type ProcessLog, startServer } from "../server.ts";
import { EXIT } from "./exit-codes.ts";
import { listen } from "./listen.ts";
import { createAdmin } from "./probes.ts";
import { firstStopSignal, firstUncaught } from "./shutdown-triggers.ts";

/** @returns the exit code @throws if the origin cannot start */
export const runSingle = async (
  configuration: OriginConfiguration,
  processLog: ProcessLog,
): Promise<number> => {
  const { log } = processLog;
  const { server } = configuration;
  const stopped = firstStopSignal(log);
  const uncaught = firstUncaught(log);
  const serving = await startServer(configuration, processLog);
  const metrics = { contentType: serving.registry.contentType, text: () => serving.registry.metrics() };
  const admin = await listen(createAdmin(serving, metrics).fetch, {
    host: server.host,
    port: server.adminPort,
  });
  log.info({ port: serving.port, adminPort: admin.port }, "listening");

  const failed = serving.ready.then(
    () => {
      log.info("ready");
      return new Promise<never>(() => undefined);
    },
    (error: unknown) => {
      log.fatal({ err: error }, "the origin cannot run");
      return EXIT.failure;
    },
  );
  const code = await Promise.race([
    stopped.then(() => EXIT.stopped),
    uncaught.then(() => EXIT.failure),
    failed,
  ]);
  log.info("draining");
  await serving.drain();
  await admin.close(0);
  log.info("stopped");
  return code;
};
