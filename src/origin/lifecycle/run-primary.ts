/** The origin as several processes that share the API's port. The primary has the probes, the metrics and the drain. */
import * as z from "zod/mini";
import type { OriginConfiguration } from "../config/schema.ts";
import { createTotals, type ProcessReport } from "../metrics/totals.ts";
import type { ProcessLog } from "../server.ts";
import { EXIT } from "./exit-codes.ts";
import { listen } from "./listen.ts";
import { createAdmin } from "./probes.ts";
import { firstStopSignal, firstUncaught } from "./shutdown-triggers.ts";
import { startWorkers, type Workers } from "./workers.ts";

const workerReport = z.object({
  ready: z.boolean(),
  migrated: z.boolean(),
  dependencies: z.record(z.string(), z.enum(["up", "down"])),
});

/** One ready worker makes the origin ready: while one is replaced, the others serve. */
const report = async (workers: Workers, configured: number, isDraining: boolean) => {
  const answers = [...(await workers.ask("report")).values()].flatMap(
    (answer) => workerReport.safeParse(answer).data ?? [],
  );
  const ready = answers.filter((answer) => answer.ready).length;
  return {
    ready: ready > 0 && !isDraining,
    migrated: answers.some(({ migrated }) => migrated),
    draining: isDraining,
    workers: { configured, ready },
    dependencies: answers[0]?.dependencies ?? {},
  };
};

/** Made by the worker's own prom-client. */
const isMetrics = (answer: unknown): answer is ProcessReport => Array.isArray(answer);

const metricsOf = (workers: Workers) => {
  const totals = createTotals();
  return {
    contentType: totals.contentType,
    text: async () => {
      const answers = await workers.ask("metrics");
      return await totals.text(
        new Map([...answers].map(([id, answer]) => [id, isMetrics(answer) ? answer : undefined])),
      );
    },
  };
};

/** How long a worker may take to end after pre-stop and drain, milliseconds. */
const ENDING_MS = 5_000;

/** @returns the exit code @throws if the admin port cannot be opened */
export const runPrimary = async ({ server }: OriginConfiguration, { log }: ProcessLog): Promise<number> => {
  const workers = startWorkers(server.workers, log);
  const stopped = firstStopSignal(log, () => workers.kill());
  const uncaught = firstUncaught(log);
  let isDraining = false;
  const readiness = { report: () => report(workers, server.workers, isDraining) };
  const admin = await listen(createAdmin(readiness, metricsOf(workers)).fetch, {
    host: server.host,
    port: server.adminPort,
  });
  void workers.listening.then((port) => log.info({ port, adminPort: admin.port }, "listening"));
  void workers.ready.then(() => log.info({ workers: server.workers }, "ready"));

  const code = await Promise.race([
    stopped.then(() => EXIT.stopped),
    uncaught.then(() => EXIT.failure),
    workers.failed,
  ]);
  log.info("draining");
  isDraining = true;
  await workers.drain(server.preStopMs + server.drainTimeoutMs + ENDING_MS);
  await admin.close(0);
  log.info("stopped");
  return code;
};
