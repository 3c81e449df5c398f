/**
 * The primary of several processes: its workers serve the API, and it serves the probes and the metrics. It
 * replaces workers that end unexpectedly, and drains all of them together.
 */
import cluster from "node:cluster";
import { once } from "node:events";
import { getHeapStatistics } from "node:v8";
import * as z from "zod/mini";
import type { CollectedMetrics } from "../../telemetry/meter-provider.ts";
import type { OriginConfiguration } from "../config/schema.ts";
import type { OriginLog } from "../log/log.ts";
import { createTotals } from "../metrics/totals.ts";
import { CLOSING_MS } from "../server.ts";
import { EXIT, firstEnd } from "./exit.ts";
import { type Call, createIpc } from "./ipc.ts";
import { listen } from "./listen.ts";
import { createAdmin } from "./readiness.ts";

/** Longer than a worker's own checks of its dependencies, shorter than Kubernetes' probe timeout. */
const CALL_TIMEOUT_MS = 800;
/** Before a worker that has ended is replaced. */
const REPLACE_AFTER_MS = 500;
/** More than a worker needs after pre-stop and drain, milliseconds. */
export const ENDING_MS = CLOSING_MS + 500;

const MEBIBYTE = 1024 * 1024;
const HEAP_OPTION = /--max[-_](?:heap|old[-_]space)[-_]size(?:[-_]percentage)?=\S+/g;

/**
 * Makes workers share the heap of the primary equally; an option that sets its size is replaced.
 *
 * @returns the environment of each worker
 */
const shareHeap = (count: number): { readonly NODE_OPTIONS: string } => {
  const shareMiB = Math.floor(getHeapStatistics().heap_size_limit / MEBIBYTE / count);
  const others = process.execArgv.filter((option) => option.search(HEAP_OPTION) < 0);
  // --max-old-space-size would add a whole young generation to each worker's share.
  cluster.setupPrimary({ execArgv: [...others, `--max-heap-size=${shareMiB}`] });
  return { NODE_OPTIONS: (process.env["NODE_OPTIONS"] ?? "").replace(HEAP_OPTION, "") };
};

const signalWorkers = (signal: NodeJS.Signals): void => {
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill(signal);
};

const startWorkers = (count: number, log: OriginLog) => {
  const environment = shareHeap(count);
  const failed = Promise.withResolvers<number>();
  /** By the unique number of a worker that listens; before that, it does not answer. */
  const calls = new Map<number, Call>();
  let running = 0;
  let ready = 0;
  let isEnding = false;

  const start = (): void => {
    running += 1;
    const worker = cluster.fork(environment);
    const { id } = worker;
    const call = createIpc(worker.process, {
      ready: () => {
        ready += 1;
        if (ready === count) log.info({ workers: count }, "ready");
      },
      // A worker that does not listen yet has cached nothing.
      invalidate: async (tags) => {
        const others = [...calls].filter(([other]) => other !== id);
        await Promise.all(others.map(([, callOther]) => callOther("invalidate", tags, CALL_TIMEOUT_MS)));
      },
    });
    worker.on("listening", () => void calls.set(id, call));
    worker.on("error", (error) => log.warn({ err: error, worker: id }, "a worker is unreachable"));
    worker.on("exit", (code: number | null, signal: string | null) => {
      running -= 1;
      calls.delete(id);
      if (isEnding) return;
      const end = { worker: id, code, signal };
      // Before all have been ready once, the next one would fail too; later the reason may pass.
      if (ready >= count) {
        log.error(end, "a worker ended unexpectedly and is replaced");
        setTimeout(() => isEnding || start(), REPLACE_AFTER_MS);
      } else {
        log.fatal(end, "a worker ended unexpectedly; a replacement would fail too");
        failed.resolve(code || EXIT.failure);
      }
    });
  };

  for (let n = 0; n < count; n += 1) start();

  return {
    /** Resolves with an exit code when a worker has ended before all were ready once. */
    failed: failed.promise,
    /** The responses of all listening workers, by number; undefined without one in time. */
    ask: (method: "report" | "metrics"): Promise<(readonly [number, unknown])[]> =>
      Promise.all(
        [...calls].map(async ([id, call]) => [id, await call(method, undefined, CALL_TIMEOUT_MS)] as const),
      ),
    /** Drains all workers, kills those that take longer, and resolves when the last one has ended. */
    drain: async (timeoutMs: number): Promise<void> => {
      isEnding = true;
      signalWorkers("SIGTERM");
      const timer = setTimeout(() => {
        log.warn({ workers: running }, "workers were killed: they took too long to end");
        signalWorkers("SIGKILL");
      }, timeoutMs);
      while (running > 0) await once(cluster, "exit");
      clearTimeout(timer);
    },
  };
};

const workerReport = z.object({
  ready: z.boolean(),
  migrated: z.boolean(),
  dependencies: z.record(z.string(), z.enum(["up", "down"])),
});

/** Collected by the worker's own provider. */
const isMetrics = (response: unknown): response is CollectedMetrics => Array.isArray(response);

/** @returns the exit code @throws if the admin port cannot be opened */
export const runPrimary = async (
  { server, observability }: OriginConfiguration,
  log: OriginLog,
): Promise<number> => {
  const ended = firstEnd(log, ["SIGTERM", "SIGINT"], () => signalWorkers("SIGKILL"));
  let isDraining = false;
  /** One ready worker makes the origin ready: it serves while another is replaced. */
  const report = async () => {
    const responses = await workers.ask("report");
    const reports = responses.flatMap(([, response]) => workerReport.safeParse(response).data ?? []);
    const ready = reports.filter((each) => each.ready).length;
    return {
      ready: ready > 0 && !isDraining,
      migrated: reports.some(({ migrated }) => migrated),
      draining: isDraining,
      workers: { configured: server.workers, ready },
      dependencies: reports[0]?.dependencies ?? {},
    };
  };
  const totals = createTotals(observability);
  const metrics = async (): Promise<string> => {
    const responses = await workers.ask("metrics");
    return totals.text(new Map(responses.map(([id, each]) => [id, isMetrics(each) ? each : undefined])));
  };
  const app = createAdmin({ report }, metrics);
  const admin = await listen(app.fetch, { host: server.host, port: server.adminPort });
  const workers = startWorkers(server.workers, log);
  cluster.once("listening", (_, { port }) => log.info({ port, adminPort: admin.port }, "listening"));
  const code = await Promise.race([ended, workers.failed]);
  log.info("draining");
  isDraining = true;
  await workers.drain(server.preStopMs + server.drainTimeoutMs + ENDING_MS);
  await admin.close(0);
  log.info("stopped");
  return code;
};
