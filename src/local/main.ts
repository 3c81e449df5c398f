/** `npm start`: the whole system on this machine, until Ctrl-C. */
import { parseArgs } from "node:util";
import { tour } from "#api/contract/tour.ts";
import type { TourStep } from "../contract/tour.ts";
import { CleanupStack } from "./cleanup-stack.ts";
import { useOwnEnvironment } from "./environment.ts";
import { isPortFree } from "./free-port.ts";
import { describeError, LocalError } from "./local-error.ts";
import { takeLock } from "./lock.ts";
import { createLogFormat } from "./log-format.ts";
import { erasePostgres } from "./postgres.ts";
import { type Stack, startStack } from "./stack.ts";
import { ensureStateDir, readSecrets, runtimeFile, secretsFile } from "./state-dir.ts";
import { postgresFolder } from "./stores.ts";
import { watchSources } from "./watch.ts";

const USAGE = `usage: npm start -- [--port N] [--origins N] [--fresh] [--external] [--quiet]
       npm run dev -- [the same options]: restart what an edit has changed
  --port N      the edge's port (default 8787; 0 takes a free one); the origins take the next ones, if they are free
  --origins N   the number of origins, 1 to 8 (default 2)
  --fresh       erase the embedded data first
  --external    use DATABASE_URL and REDIS_URL from the environment instead of the embedded servers
  --quiet       do not print the logs of the edge and the origins`;

const wholeNumber = (name: string, text: string, min: number, max: number): number => {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new LocalError(`--${name} ${text}: give a whole number from ${min} to ${max}`);
};

/** @throws an error whose message is for the user */
const readOptions = () => {
  const { port, origins, ...switches } = parseArgs({
    options: {
      port: { type: "string", default: "8787" },
      origins: { type: "string", default: "2" },
      fresh: { type: "boolean", default: false },
      external: { type: "boolean", default: false },
      quiet: { type: "boolean", default: false },
      watch: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  }).values;
  if (switches.fresh && switches.external) {
    throw new LocalError("--fresh erases only embedded data: omit it with --external");
  }
  return {
    ...switches,
    port: wholeNumber("port", port, 0, 65_535),
    origins: wholeNumber("origins", origins, 1, 8),
  };
};

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const isColored = process.stdout.isTTY === true && !process.env["NO_COLOR"];

const start = async (
  options: ReturnType<typeof readOptions>,
  cleanups: CleanupStack,
  signal: AbortSignal,
): Promise<void> => {
  if (options.port !== 0 && !(await isPortFree(options.port))) {
    const remedy = "stop the program that uses it or pass --port N";
    throw new LocalError(`port ${options.port} is taken, or this user cannot use it: ${remedy}`);
  }
  await ensureStateDir();
  cleanups.add(await takeLock());
  if (options.fresh) {
    await erasePostgres(postgresFolder);
    await secretsFile.remove();
  }
  const secrets = await readSecrets();
  signal.throwIfAborted();
  const format = createLogFormat(isColored);
  const onLogLine = (source: string, line: string): void => {
    if (!options.quiet) print(format(source, line));
  };
  const stack = await startStack({ ...options, secrets, signal, print, onLogLine }, cleanups);
  const { edge, databaseUrl, bridge, telemetry, pageToken } = stack;
  await runtimeFile.write({
    ...{ edgeUrl: edge.url, databaseUrl, redisUrl: bridge.url, redisToken: bridge.token },
    ...{ pageUrl: telemetry.url, pageToken },
  });
  cleanups.add(runtimeFile.remove);
  print(banner(stack, secrets.demoKey.key));
  if (options.watch) cleanups.add(watchSources(stack, print));
  // First of all: a frozen process could not stop.
  cleanups.add(stack.undoFaults);
};

/** The addresses of everything, and three commands to try. */
const banner = ({ edge, origins, telemetry, pageToken }: Stack, demoKey: string): string => {
  const originLines = origins.map(
    ({ url, pid }) => `${url}        (process ${pid}; accepts only requests that the edge has signed)`,
  );
  const metrics = [telemetry.url, ...origins.map(({ adminUrl }) => adminUrl)].map((url) => `${url}/metrics`);
  return `
Breakwater is running.

  System   ${telemetry.url}/#token=${pageToken}        (watch its protections work, and break it on purpose)
  API      ${edge.url}        (the edge: send every request here)
  Docs     ${edge.url}/docs
  Origins  ${originLines.join("\n           ")}
  Traces   ${telemetry.url}/traces        (each request, from the edge to its SQL statements; JSON: /traces.json)
  Metrics  ${metrics.join(" ")}
           (of the edge and of each origin, for Prometheus)
  Key      ${demoKey}
${tour.steps.map((step) => `\n  # ${step.title}\n  ${curlCommand(edge.url, demoKey, step)}\n`).join("")}
Ctrl-C stops everything. The data is kept for the next start; --fresh erases it.
`;
};

/** A shell command. */
const curlCommand = (edgeUrl: string, key: string, { method, path, body }: TourStep): string =>
  [
    "curl -s",
    ...(method === "GET" ? [] : [`-X ${method}`]),
    `-H ${quoted(`Authorization: Bearer ${key}`)}`,
    ...(body === undefined ? [] : [`-H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))}`]),
    quoted(`${edgeUrl}${path}`),
  ].join(" ");

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const LOOK_MS = 500;

/** npm passes signals on, except SIGKILL, which ends npm alone. */
const onEndOfNpm = (interrupt: () => void): void => {
  const npm = process.ppid;
  const look = (): void => {
    if (process.ppid !== npm) interrupt();
  };
  setInterval(look, LOOK_MS).unref();
};

const main = async (): Promise<void> => {
  const options = readOptions();
  if (options.help) return print(USAGE);
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
  if (["start", "dev"].includes(process.env["npm_lifecycle_event"] ?? "")) onEndOfNpm(interrupt);
  try {
    print("Starting …");
    await start(options, cleanups, interrupted.signal);
    await interruption.promise;
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
  } finally {
    await cleanups.runAll();
    if (interrupted.signal.aborted) print("Stopped.");
  }
};

useOwnEnvironment();
try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`✗ ${describeError(error)}\n`);
  process.exit(1);
}
