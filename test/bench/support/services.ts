/** The services that servers under test share; see `services-process.ts`. */
import { fileURLToPath } from "node:url";
import { spawnChild } from "../../../src/local/child-process.ts";
import { LocalError } from "../../../src/local/local-error.ts";

export interface ServiceFacts {
  /** Of a database of the run's own. */
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly redisKeyPrefix: string;
  readonly spanSinkUrl: string;
  /** Which servers, which versions, how durable. */
  readonly description: string;
}

export interface Services extends ServiceFacts {
  stop(): Promise<void>;
}

export type ServicesMessage =
  | { readonly kind: "notice"; readonly line: string }
  | { readonly kind: "ready"; readonly services: ServiceFacts }
  | { readonly kind: "failed"; readonly reason: string };

const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;

/**
 * PostgreSQL is DATABASE_URL's or TEST_DATABASE_URL's, else an embedded one that is durable.
 *
 * @throws LocalError when a service does not start
 */
export const startServices = async (
  signal: AbortSignal,
  onNotice: (line: string) => void,
): Promise<Services> => {
  signal.throwIfAborted();
  const ready = Promise.withResolvers<ServiceFacts>();
  const child = spawnChild({
    name: "the benchmark's services",
    command: process.execPath,
    args: [fileURLToPath(new URL("./services-process.ts", import.meta.url))],
    endsWithParent: "SIGTERM",
    onLine: (line) => {
      if (!line.startsWith("{")) return;
      // The one process that writes them is of this folder.
      const message = JSON.parse(line) as ServicesMessage;
      if (message.kind === "notice") onNotice(message.line);
      else if (message.kind === "failed") ready.reject(new LocalError(message.reason));
      else ready.resolve(message.services);
    },
  });
  const stop = (): Promise<void> => child.stop({ timeoutMs: STOP_TIMEOUT_MS });
  const onAbort = (): void => ready.reject(signal.reason);
  const timer = setTimeout(
    () => ready.reject(new LocalError(`${child.name} were not ready in time`)),
    START_TIMEOUT_MS,
  );
  signal.addEventListener("abort", onAbort);
  void child.exited.then(() =>
    ready.reject(new LocalError(`${child.name} ended: ${child.tail().join("\n")}`)),
  );
  try {
    return { ...(await ready.promise), stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
};
