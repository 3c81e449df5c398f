/** The origin's entry. Nothing else at the origin reads the environment. */
import "./metrics/global.ts";
import { processTerminal } from "./admin/cli.ts";
import { runMain } from "./admin/commands.ts";
import { readConfigurationFile } from "./config/file.ts";
import { type OriginConfigurationReading, readOriginConfiguration } from "./config/read.ts";
import { removeDriverVariables } from "./config/urls.ts";
import { EXIT } from "./lifecycle/exit.ts";
import { runOrigin } from "./lifecycle/run.ts";
import { createLog } from "./log/log.ts";
import { createLogOutput } from "./log/stdout.ts";

/** @returns the exit code */
const serve = async (configuration: OriginConfigurationReading): Promise<number> => {
  if (!configuration.ok) {
    createLog("info").fatal(configuration.message);
    return EXIT.configuration;
  }
  const { value } = configuration;
  const output = createLogOutput();
  const log = createLog(value.observability.logLevel, value.observability, output);
  for (const warning of configuration.warnings) log.warn(warning);
  try {
    return await runOrigin(value, { log, output });
  } catch (error) {
    log.fatal({ err: error }, "the origin cannot run");
    return EXIT.failure;
  } finally {
    output.flushSync();
  }
};

removeDriverVariables(process.env);
const file = await readConfigurationFile(process.env);
const configuration = readOriginConfiguration(process.env, file);
const command = process.argv.slice(2);
process.exit(
  command.length === 0
    ? await serve(configuration)
    : await runMain(command, configuration, file?.path, processTerminal),
);
