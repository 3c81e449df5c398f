/**
 * One of several processes on the same port. The primary handles the signals and tells the worker when to drain. A worker
 * whose primary has died is ended by Node's cluster itself.
 */
import { withTimeout } from "../../lib/async.ts";
import type { OriginConfiguration } from "../config/schema.ts";
import { type ProcessLog, type ServingProcess, startServer } from "../server.ts";
import { EXIT } from "./exit-codes.ts";
import { firstUncaught } from "./shutdown-triggers.ts";
import { type Question, readToWorker, type ToPrimary } from "./worker-messages.ts";

/** How long a write waits for the other workers to invalidate its tags, milliseconds. */
const INVALIDATION_TIMEOUT_MS = 200;

/** A worker's share of what the origin has as a whole. */
const shareOf = ({ server, database, ...rest }: OriginConfiguration): OriginConfiguration => ({
  ...rest,
  server,
  database: {
    ...database,
    maxConnections: Math.max(1, Math.floor(database.maxConnections / server.workers)),
    minConnections: Math.floor(database.minConnections / server.workers),
  },
});

const send = (message: ToPrimary): void => {
  // Without a primary there is no channel.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

/** Invalidates tags in the other workers, through the primary. */
const createInvalidations = () => {
  const pending = new Map<number, () => void>();
  let lastId = 0;
  return {
    /** Resolves when no worker serves older responses, or after a timeout. */
    invalidate: async (tags: readonly string[]): Promise<void> => {
      lastId += 1;
      const id = lastId;
      const { promise, resolve } = Promise.withResolvers<void>();
      pending.set(id, resolve);
      send({ kind: "invalidate", id, tags: [...tags] });
      await withTimeout(promise, INVALIDATION_TIMEOUT_MS, { fallback: undefined });
      pending.delete(id);
    },
    done: (id: number): void => pending.get(id)?.(),
  };
};

const answers = (serving: ServingProcess): Record<Question, () => Promise<unknown>> => ({
  report: () => serving.report(),
  metrics: () => serving.registry.getMetricsAsJSON(),
});

/** @returns the exit code @throws if the worker cannot start */
export const runWorker = async (
  configuration: OriginConfiguration,
  processLog: ProcessLog,
): Promise<number> => {
  const { log } = processLog;
  // A terminal's Ctrl-C reaches every process of its group; the primary decides.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  const uncaught = firstUncaught(log);
  const stopped = Promise.withResolvers<number>();

  const invalidations = createInvalidations();
  const serving = await startServer(shareOf(configuration), processLog, invalidations.invalidate);
  const answer = answers(serving);
  process.on("message", (message) => {
    const read = readToWorker(message);
    switch (read?.kind) {
      case "drain":
        stopped.resolve(EXIT.stopped);
        break;
      case "ask":
        answer[read.question]().then(
          (value) => send({ kind: "answer", id: read.id, value }),
          // The primary's timeout covers a question without an answer.
          () => undefined,
        );
        break;
      case "invalidate":
        serving.invalidate(read.tags);
        send({ kind: "answer", id: read.id, value: true });
        break;
      case "invalidated":
        invalidations.done(read.id);
    }
  });
  send({ kind: "listening", port: serving.port });
  const failed = serving.ready.then(
    () => {
      send({ kind: "ready" });
      return new Promise<never>(() => undefined);
    },
    (error: unknown) => {
      log.fatal({ err: error }, "the worker cannot run");
      return EXIT.failure;
    },
  );
  const code = await Promise.race([stopped.promise, uncaught.then(() => EXIT.failure), failed]);
  await serving.drain(code === EXIT.stopped);
  return code;
};
