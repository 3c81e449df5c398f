/**
 * One of several processes on the same port. Signals are the primary's; it says when to drain. A worker whose
 * primary has gone is ended by Node's cluster itself.
 */
import type { OriginConfiguration } from "../config/configuration.ts";
import { type ProcessLog, type ServingProcess, startServer } from "../server.ts";
import { EXIT } from "./exit-codes.ts";
import { createOtherWorkers } from "./other-workers.ts";
import { firstUncaught } from "./uncaught.ts";
import { type Question, readToWorker, type ToPrimary } from "./worker-messages.ts";

/** A worker's part of what is the whole origin's. */
const shareOf = ({ server, database, ...rest }: OriginConfiguration): OriginConfiguration => ({
  ...rest,
  server,
  database: {
    ...database,
    maxConnections: Math.max(1, Math.floor(database.maxConnections / server.workers)),
    minConnections: Math.floor(database.minConnections / server.workers),
  },
});

const tell = (message: ToPrimary): void => {
  // A primary that has gone takes nothing.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

const answers = (serving: ServingProcess): Record<Question, () => Promise<unknown>> => ({
  report: () => serving.report(),
  metrics: () => serving.registry.getMetricsAsJSON(),
});

/** @returns the exit code; @throws where the worker cannot begin */
export const runWorker = async (
  configuration: OriginConfiguration,
  processLog: ProcessLog,
): Promise<number> => {
  const { log } = processLog;
  // A terminal's Ctrl-C reaches every process of its group; the primary's word counts.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  const uncaught = firstUncaught(log);
  const asked = Promise.withResolvers<number>();

  const others = createOtherWorkers(tell);
  const serving = await startServer(shareOf(configuration), processLog, (tags) => others.invalidate(tags));
  const answer = answers(serving);
  process.on("message", (message) => {
    const read = readToWorker(message);
    switch (read?.kind) {
      case "drain":
        asked.resolve(EXIT.stopped);
        break;
      case "ask":
        answer[read.question]().then(
          (value) => tell({ kind: "answer", id: read.id, value }),
          // Not answered is an answer too.
          () => undefined,
        );
        break;
      case "invalidate":
        serving.invalidate(read.tags);
        tell({ kind: "answer", id: read.id, value: true });
        break;
      case "invalidated":
        others.invalidated(read.id);
    }
  });
  tell({ kind: "listening", port: serving.port });
  const failed = serving.ready.then(
    () => {
      tell({ kind: "ready" });
      return new Promise<never>(() => undefined);
    },
    (error: unknown) => {
      log.fatal({ err: error }, "the worker cannot run");
      return EXIT.failure;
    },
  );
  const code = await Promise.race([asked.promise, uncaught.then(() => EXIT.failure), failed]);
  await serving.drain(code === EXIT.stopped);
  return code;
};
