/**
 * The primary of several processes. It runs the probes, the metrics and the drain; its workers serve the API. It replaces
 * workers that end unexpectedly, and ends all of them together.
 */
import cluster, { type Worker } from "node:cluster";
import { getHeapStatistics } from "node:v8";
import * as z from "zod/mini";
import { sleep } from "../../lib/async.ts";
import type { CollectedMetrics } from "../../telemetry/meter-provider.ts";
import type { OriginConfiguration } from "../config/schema.ts";
import type { OriginLog } from "../log/log.ts";
import { createTotals } from "../metrics/totals.ts";
import type { ProcessLog } from "../server.ts";
import { EXIT, firstStopSignal, firstUncaught } from "./exit.ts";
import { createIpc, type Ipc } from "./ipc.ts";
import { listen } from "./listen.ts";
import { createAdmin } from "./readiness.ts";

/** Minimum heap of a worker, MiB. */
const MIN_HEAP_MIB = 64;
const MEBIBYTE = 1024 * 1024;

/** V8 accepts both separators; the value of a percentage may be an argument of its own. */
const HEAP_OPTION =
  /(?<=^|\s)--max[-_](?:heap|old[-_]space)[-_]size(?:[-_]percentage\s|[-_]percentage=|=)\S*(?:\s|$)/g;

/**
 * Node's options for workers that share the heap of the primary equally. Other options do not change.
 *
 * @param limitMiB V8's limit, which includes the young generation
 * @param nodeOptions NODE_OPTIONS
 */
export const heapShare = (
  limitMiB: number,
  count: number,
  execArgv: readonly string[],
  nodeOptions: string,
): { readonly execArgv: string[]; readonly nodeOptions: string } => {
  const shareMiB = Math.max(MIN_HEAP_MIB, Math.floor(limitMiB / count));
  const others = execArgv.join("\n").replace(HEAP_OPTION, "").split("\n");
  return {
    // --max-old-space-size would add a whole young generation to each worker's share.
    execArgv: [...others.filter((option) => option !== ""), `--max-heap-size=${shareMiB}`],
    nodeOptions: nodeOptions.replace(HEAP_OPTION, ""),
  };
};

/** Longer than a worker's own checks of its dependencies, shorter than Kubernetes' probe timeout. */
const CALL_TIMEOUT_MS = 800;
/** If this many workers in a row end before they are ready, further starts do not help. */
const MAX_EARLY_ENDS = 5;
const FIRST_PAUSE_MS = 500;
/** How long a worker may take to end after pre-stop and drain, milliseconds. */
const ENDING_MS = 5_000;

interface Member {
  readonly worker: Worker;
  readonly ipc: Ipc;
  /** A worker does not answer before it is listening. */
  stage: "starting" | "listening" | "ready";
}

const signalWorkers = (signal: NodeJS.Signals): void => {
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill(signal);
};

const startWorkers = (count: number, log: OriginLog) => {
  const { execArgv, nodeOptions } = heapShare(
    getHeapStatistics().heap_size_limit / MEBIBYTE,
    count,
    process.execArgv,
    process.env["NODE_OPTIONS"] ?? "",
  );
  cluster.setupPrimary({ execArgv });
  const failed = Promise.withResolvers<number>();
  const allEnded = Promise.withResolvers<void>();
  const members = new Set<Member>();
  let hasBeenReady = false;
  let haveAllBeenReady = false;
  let isEnding = false;
  let earlyEnds = 0;

  const inStages = (...stages: readonly Member["stage"][]): Member[] =>
    [...members].filter(({ stage }) => stages.includes(stage));

  const start = (): void => {
    const worker = cluster.fork({ NODE_OPTIONS: nodeOptions });
    const ipc = createIpc(
      (message) => {
        if (worker.isConnected()) worker.send(message, () => undefined);
      },
      {
        ready: () => {
          member.stage = "ready";
          earlyEnds = 0;
          hasBeenReady = true;
          if (haveAllBeenReady || inStages("ready").length < count) return;
          haveAllBeenReady = true;
          log.info({ workers: count }, "ready");
        },
        // A worker that is not listening yet has cached nothing.
        invalidate: async (tags) => {
          const others = inStages("listening", "ready").filter((other) => other !== member);
          await Promise.all(others.map((other) => other.ipc.call("invalidate", tags, CALL_TIMEOUT_MS)));
        },
      },
    );
    const member: Member = { worker, ipc, stage: "starting" };
    members.add(member);
    worker.on("message", ipc.receive);
    worker.on("listening", () => {
      member.stage = "listening";
    });
    worker.on("error", (error) => log.warn({ err: error, worker: worker.id }, "a worker is unreachable"));
    worker.on("exit", (code: number | null, signal: string | null) => {
      members.delete(member);
      if (!isEnding) void replace(member, code, signal);
      else if (members.size === 0) allEnded.resolve();
    });
  };

  const replace = async (member: Member, code: number | null, signal: string | null): Promise<void> => {
    const end = { worker: member.worker.id, code, signal };
    if (member.stage !== "ready") earlyEnds += 1;
    // The first start fails like a single process; later the reason may be temporary.
    const isFirstStart = !hasBeenReady && code !== null;
    if (code === EXIT.configuration || isFirstStart || earlyEnds > MAX_EARLY_ENDS) {
      log.fatal(end, "a worker ended unexpectedly; a replacement would fail too");
      failed.resolve(code === EXIT.configuration ? code : EXIT.failure);
      return;
    }
    log.error(end, "a worker ended unexpectedly and is replaced");
    await sleep(FIRST_PAUSE_MS * 2 ** Math.max(0, earlyEnds - 1));
    if (!isEnding) start();
  };

  for (let started = 0; started < count; started += 1) start();

  return {
    /** Resolves with an exit code when the workers cannot be kept alive. */
    failed: failed.promise,
    /** The responses of all live workers, by a number that no other worker has had; undefined without one in time. */
    ask: async (method: "report" | "metrics"): Promise<(readonly [number, unknown])[]> =>
      await Promise.all(
        [...members].map(async ({ worker, ipc, stage }) => {
          const response = stage === "starting" ? undefined : ipc.call(method, undefined, CALL_TIMEOUT_MS);
          return [worker.id, await response] as const;
        }),
      ),
    /** Drains all workers, kills those that take longer, and resolves when the last one has ended. */
    drain: async (timeoutMs: number): Promise<void> => {
      isEnding = true;
      if (members.size === 0) return;
      signalWorkers("SIGTERM");
      const timer = setTimeout(() => {
        log.warn({ workers: members.size }, "workers were killed: they took too long to end");
        signalWorkers("SIGKILL");
      }, timeoutMs);
      await allEnded.promise;
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
  { log }: ProcessLog,
): Promise<number> => {
  const stopped = firstStopSignal(log, () => signalWorkers("SIGKILL"));
  const uncaught = firstUncaught(log);
  let isDraining = false;
  /** One ready worker makes the origin ready: while another is replaced, it serves. */
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
  const text = async (): Promise<string> => {
    const responses = await workers.ask("metrics");
    return totals.text(
      new Map(responses.map(([id, response]) => [id, isMetrics(response) ? response : undefined])),
    );
  };
  const app = createAdmin({ report }, text);
  const admin = await listen(app.fetch, { host: server.host, port: server.adminPort });
  const workers = startWorkers(server.workers, log);
  cluster.once("listening", (_, { port }) => log.info({ port, adminPort: admin.port }, "listening"));
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
