/** An origin as a child process: the real `src/origin/main.ts`. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Child, type ChildExit, spawnChild } from "./child.ts";
import { compileCache } from "./compile-cache.ts";
import { projectFolder } from "./folder.ts";
import { LocalError } from "./local-error.ts";

export interface OriginOptions {
  /** Such as "origin 1". */
  readonly name: string;
  readonly port: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Each line of its log. */
  readonly onLine?: (line: string) => void;
}

export interface LocalOrigin {
  readonly name: string;
  readonly url: string;
  readonly adminUrl: string;
  readonly exited: Promise<ChildExit>;
  stop(): Promise<void>;
  /** Its end without a last word, as by the kernel when memory runs out. */
  kill(): Promise<ChildExit>;
}

const START_TIMEOUT_MS = 30_000;
/** Above the drain's own limit. */
const STOP_TIMEOUT_MS = 35_000;

const field = (line: string, name: string): unknown => {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === "object" && entry !== null
      ? Object.entries(entry).find(([key]) => key === name)?.[1]
      : undefined;
  } catch {
    return undefined;
  }
};

/** What its last line with an error in it says, else its last line. */
const reasonOf = (child: Child): string => {
  const lines = child.tail();
  const failed = lines.findLast((line) => field(line, "err") !== undefined) ?? lines.at(-1);
  if (failed === undefined) return "no reason given";
  const error = field(failed, "err");
  const cause = typeof error === "object" && error !== null && "message" in error ? `: ${error.message}` : "";
  return `${field(failed, "message") ?? failed}${cause}`;
};

/**
 * Starts an origin and waits until it is ready.
 *
 * @throws LocalError where it ends or is not ready in time; the signal's reason
 */
export const startOrigin = async ({
  name,
  port,
  environment,
  signal,
  onLine,
}: OriginOptions): Promise<LocalOrigin> => {
  const ready = Promise.withResolvers<void>();
  let adminPort: unknown;
  const watchdog = pathToFileURL(join(projectFolder, "src/local/exit-with-parent.ts")).href;
  const child = spawnChild({
    name,
    command: process.execPath,
    args: ["--import", watchdog, join(projectFolder, "src/origin/main.ts")],
    cwd: projectFolder,
    ipc: true,
    env: {
      PATH: process.env["PATH"],
      ...compileCache,
      LOG_LEVEL: "info",
      HOST: "127.0.0.1",
      ADMIN_PORT: "0",
      // The edge is stopped first: no request is on its way to an origin that is told to end.
      PRE_STOP: "0s",
      ORIGIN_AUTHORITIES: `127.0.0.1:${port}`,
      PORT: String(port),
      ...environment,
    },
    onLine: (line) => {
      adminPort ??= field(line, "adminPort");
      if (field(line, "message") === "ready") ready.resolve();
      onLine?.(line);
    },
  });
  const stop = (): Promise<void> => child.stop({ timeoutMs: STOP_TIMEOUT_MS });
  const givenUp = Promise.withResolvers<never>();
  const onAbort = (): void => givenUp.reject(signal?.reason);
  const timer = setTimeout(
    () => givenUp.reject(new LocalError(`${name} was not ready in time: ${reasonOf(child)}`)),
    START_TIMEOUT_MS,
  );
  signal?.addEventListener("abort", onAbort);
  void child.exited.then(({ code }) =>
    givenUp.reject(new LocalError(`${name} ended (exit ${code}): ${reasonOf(child)}`)),
  );
  givenUp.promise.catch(() => undefined);
  try {
    signal?.throwIfAborted();
    await Promise.race([ready.promise, givenUp.promise]);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
  const at = (onPort: unknown): string => `http://127.0.0.1:${String(onPort)}`;
  const kill = (): Promise<ChildExit> => {
    child.signal("SIGKILL");
    return child.exited;
  };
  return { name, url: at(port), adminUrl: at(adminPort), exited: child.exited, stop, kill };
};
