/** `npm start`: the whole system on this machine, until Ctrl-C. */
import { join } from "node:path";
import { tour } from "../contract/api/tour.ts";
import { banner } from "./banner.ts";
import { CleanupStack } from "./cleanup-stack.ts";
import { assertPortFree } from "./free-port.ts";
import { LocalError } from "./local-error.ts";
import { formatLogLine } from "./log-format.ts";
import { type LocalOptions, readOptions, USAGE } from "./options.ts";
import { erasePostgres } from "./postgres.ts";
import { externalServers, startStack } from "./stack.ts";
import {
  ensureStateDir,
  lockStateDir,
  readSecrets,
  removeRuntime,
  removeSecrets,
  stateDir,
  writeRuntime,
} from "./state-dir.ts";

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const isColored = process.stdout.isTTY === true && !process.env["NO_COLOR"];

const start = async (options: LocalOptions, cleanups: CleanupStack, signal: AbortSignal): Promise<void> => {
  if (options.port !== 0) await assertPortFree(options.port, "the edge");
  const external = options.external ? externalServers(process.env) : undefined;
  await ensureStateDir();
  cleanups.add(await lockStateDir());
  const postgresFolder = join(stateDir, "postgres");
  if (options.fresh) {
    await erasePostgres(postgresFolder);
    await removeSecrets();
  }
  const secrets = await readSecrets();
  signal.throwIfAborted();
  const { edge, origins, databaseUrl, bridge, telemetry } = await startStack(
    {
      port: options.port,
      origins: options.origins,
      secrets,
      postgresFolder,
      external,
      redisKeyPrefix: "breakwater:",
      signal,
      onStep: (line) => print(`  ✓ ${line}`),
      onLoss: (line) => print(`  ! ${line}`),
      onLogLine: (source, line) => {
        if (!options.quiet) print(formatLogLine(source, line, isColored));
      },
    },
    cleanups,
  );
  await writeRuntime({ edgeUrl: edge.url, databaseUrl, redisUrl: bridge.url, redisToken: bridge.token });
  cleanups.add(removeRuntime);
  print(
    banner({
      edgeUrl: edge.url,
      originUrls: origins.map(({ url }) => url),
      telemetryUrl: telemetry.url,
      adminUrls: origins.map(({ adminUrl }) => adminUrl),
      demoKey: secrets.demoKey.key,
      tour,
    }),
  );
};

const main = async (): Promise<number> => {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    print(USAGE);
    return 0;
  }
  const cleanups = new CleanupStack();
  const interrupted = new AbortController();
  const interruption = Promise.withResolvers<void>();
  const interrupt = (): void => {
    if (interrupted.signal.aborted) return;
    print("\nStopping …");
    interrupted.abort();
    interruption.resolve();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupt);
  try {
    print("Starting …");
    await start(options, cleanups, interrupted.signal);
    await interruption.promise;
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return 0;
    throw error;
  } finally {
    await cleanups.runAll();
    if (interrupted.signal.aborted) print("Stopped.");
  }
};

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`✗ ${error instanceof LocalError ? error.message : String(error)}\n`);
  process.exit(1);
}
