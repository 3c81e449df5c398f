/** The primary of several processes: it runs the probes, the metrics and the drain, and its workers serve the API. */
import * as z from "zod/mini";
import type { OriginConfiguration } from "../config/schema.ts";
import { createTotals, type ProcessReport } from "../metrics/totals.ts";
import type { ProcessLog } from "../server.ts";
import { EXIT, firstStopSignal, firstUncaught } from "./exit.ts";
import { listen } from "./listen.ts";
import { createAdmin } from "./readiness.ts";
import { startWorkers, type Workers } from "./workers.ts";

/** How long a worker may take to end after pre-stop and drain, milliseconds. */
const ENDING_MS = 5_000;

const workerReport = z.object({
  ready: z.boolean(),
  migrated: z.boolean(),
  dependencies: z.record(z.string(), z.enum(["up", "down"])),
});

/** One ready worker makes the origin ready: while another is replaced, it serves. */
const createReadiness = (workers: Workers, configured: number) => {
  let isDraining = false;
  return {
    drain: (): void => {
      isDraining = true;
    },
    report: async () => {
      const responses = [...(await workers.ask("report")).values()];
      const reports = responses.flatMap((response) => workerReport.safeParse(response).data ?? []);
      const ready = reports.filter((report) => report.ready).length;
      return {
        ready: ready > 0 && !isDraining,
        migrated: reports.some(({ migrated }) => migrated),
        draining: isDraining,
        workers: { configured, ready },
        dependencies: reports[0]?.dependencies ?? {},
      };
    },
  };
};

/** Serialized by the worker's own prom-client. */
const isReport = (response: unknown): response is ProcessReport => Array.isArray(response);

const createMetrics = (workers: Workers) => {
  const totals = createTotals();
  return {
    contentType: totals.contentType,
    text: async () => {
      const responses = [...(await workers.ask("metrics"))];
      return await totals.text(
        new Map(responses.map(([id, response]) => [id, isReport(response) ? response : undefined])),
      );
    },
  };
};

/** @returns the exit code @throws if the admin port cannot be opened */
export const runPrimary = async ({ server }: OriginConfiguration, { log }: ProcessLog): Promise<number> => {
  const workers = startWorkers(server.workers, log);
  const stopped = firstStopSignal(log, () => workers.kill());
  const uncaught = firstUncaught(log);
  const readiness = createReadiness(workers, server.workers);
  const admin = await listen(createAdmin(readiness, createMetrics(workers)).fetch, {
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
  readiness.drain();
  await workers.drain(server.preStopMs + server.drainTimeoutMs + ENDING_MS);
  await admin.close(0);
  log.info("stopped");
  return code;
};
