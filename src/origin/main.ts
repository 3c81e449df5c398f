/** The origin's entry: the only place at the origin that reads the environment. */
import cluster from "node:cluster";
import { readOriginConfiguration } from "./configuration/read.ts";
import { readConfigurationFile } from "./configuration/read-file.ts";
import { EXIT } from "./lifecycle/exit-codes.ts";
import { runPrimary } from "./lifecycle/run-primary.ts";
import { runSingle } from "./lifecycle/run-single.ts";
import { runWorker } from "./lifecycle/run-worker.ts";
import { createLog } from "./log.ts";

const configuration = readOriginConfiguration(process.env, await readConfigurationFile(process.env));
if (!configuration.ok) {
  createLog("info").fatal(configuration.message);
  process.exit(EXIT.configuration);
}
const { value } = configuration;
const log = createLog(value.observability.logLevel, value.observability);
const run = cluster.isWorker ? runWorker : value.server.workers > 1 ? runPrimary : runSingle;
try {
  process.exit(await run(value, log));
} catch (error) {
  log.fatal({ err: error }, "the origin cannot run");
  process.exit(EXIT.failure);
}
