/** The origin's entry: the only place at the origin that reads the environment. */
import cluster from "node:cluster";
import { processTerminal } from "./admin/cli.ts";
import { runMain } from "./admin/commands.ts";
import { readConfigurationFile } from "./config/file.ts";
import { type OriginConfigurationReading, readOriginConfiguration } from "./config/read.ts";
import type { OriginConfiguration } from "./config/schema.ts";
import { EXIT } from "./lifecycle/exit-codes.ts";
import { runPrimary } from "./lifecycle/run-primary.ts";
import { runSingle } from "./lifecycle/run-single.ts";
import { runWorker } from "./lifecycle/run-worker.ts";
import { createLog, type LogContext } from "./log/log.ts";
import { createLogOutput } from "./log/stdout.ts";

const runnerOf = ({ server }: OriginConfiguration): typeof runSingle => {
  if (cluster.isWorker) return runWorker;
  return server.workers > 1 ? runPrimary : runSingle;
};

/** @returns the exit code */
const serve = async (configuration: OriginConfigurationReading): Promise<number> => {
  if (!configuration.ok) {
    createLog("info").fatal(configuration.message);
    return EXIT.configuration;
  }
  const { value } = configuration;
  const output = createLogOutput();
  const context: LogContext = {};
  const log = createLog(value.observability.logLevel, value.observability, output, context);
  try {
    return await runnerOf(value)(value, { log, output, context });
  } catch (error) {
    log.fatal({ err: error }, "the origin cannot run");
    return EXIT.failure;
  } finally {
    output.flushSync();
  }
};

const file = await readConfigurationFile(process.env);
const configuration = readOriginConfiguration(process.env, file);
const command = process.argv.slice(2);
process.exit(
  command.length === 0
    ? await serve(configuration)
    : await runMain(command, configuration, file?.path, processTerminal),
);
