/** `npm start`: the whole system on this machine, until Ctrl-C. */
import { join } from "node:path";
import { tour } from "../contract/api/tour.ts";
import { banner } from "./banner.ts";
import { ensureLocalFolder, localFolder, removeFile, writeJson } from "./folder.ts";
import { lockFolder } from "./folder-lock.ts";
import { assertPortFree } from "./free-port.ts";
import { LocalError } from "./local-error.ts";
import { formatLogLine } from "./log-format.ts";
import { type LocalOptions, readOptions, USAGE } from "./options.ts";
import { erasePostgres } from "./postgres.ts";
import { RUNTIME_FILE, type Runtime } from "./runtime.ts";
import { readSecrets } from "./secrets.ts";
import { externalFrom, startStack } from "./stack.ts";
import { StopList } from "./stop-list.ts";

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const step = (line: string): void => say(`  ✓ ${line}`);

const isColored = process.stdout.isTTY === true && !process.env["NO_COLOR"];

const sayLogLine = (source: string, line: string): void => say(formatLogLine(source, line, isColored));

const run = async (options: LocalOptions, stops: StopList, signal: AbortSignal): Promise<void> => {
  if (options.port !== 0) await assertPortFree(options.port, "the edge");
  const external = options.external ? externalFrom(process.env) : undefined;
  await ensureLocalFolder();
  const unlock = await lockFolder();
  stops.add(async () => unlock());
  const postgresFolder = join(localFolder, "postgres");
  if (options.fresh) {
    await erasePostgres(postgresFolder, step);
    await removeFile("secrets.json");
  }
  const secrets = await readSecrets();
  signal.throwIfAborted();
  const stack = await startStack(
    {
      port: options.port,
      origins: options.origins,
      secrets,
      postgresFolder,
      redisKeyPrefix: "breakwater:",
      signal,
      onStep: step,
      onLoss: (line) => say(`  ! ${line}`),
      onLogLine: options.quiet ? () => undefined : sayLogLine,
      ...(external === undefined ? {} : { external }),
    },
    stops,
  );
  const { edge, origins, databaseUrl, bridge, telemetry } = stack;
  const runtime: Runtime = {
    edgeUrl: edge.url,
    databaseUrl,
    redisUrl: bridge.url,
    redisToken: bridge.token,
  };
  await writeJson(RUNTIME_FILE, runtime);
  stops.add(() => removeFile(RUNTIME_FILE));
  say(
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
  if (options === "help") {
    say(USAGE);
    return 0;
  }
  const stops = new StopList();
  const ending = new AbortController();
  const asked = Promise.withResolvers<void>();
  const end = (): void => {
    if (ending.signal.aborted) return;
    say("\nStopping …");
    ending.abort();
    asked.resolve();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  try {
    say("Starting …");
    await run(options, stops, ending.signal);
    await asked.promise;
    return 0;
  } catch (error) {
    if (ending.signal.aborted) return 0;
    throw error;
  } finally {
    await stops.stopAll();
    if (ending.signal.aborted) say("Stopped.");
  }
};

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`✗ ${error instanceof LocalError ? error.message : String(error)}\n`);
  process.exit(1);
}
