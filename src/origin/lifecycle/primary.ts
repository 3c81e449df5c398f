/**
 * The primary of several processes. It runs the probes, the metrics and the drain; its workers serve the API. It replaces
 * workers that end unexpectedly, and ends all of them together.
 */
import cluster, { type Worker } from "node:cluster";
import { getHeapStatistics } from "node:v8";
import * as z from "zod/mini";
import { sleep } from "../../lib/async.ts";
import type { OriginConfiguration } from "../config/schema.ts";
import type { OriginLog } from "../log/log.ts";
import { createTotals, type ProcessReport } from "../metrics/totals.ts";
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
  /** A worker does not receive messages before it is listening. */
  stage: "starting" | "listening" | "ready";
}

const startWorkers = (count: number, log: OriginLog) => {
  const { execArgv, nodeOptions } = heapShare(
    getHeapStatistics().heap_size_limit / MEBIBYTE,
    count,
    process.execArgv,
    process.env["NODE_OPTIONS"] ?? "",
  );
  cluster.setupPrimary({ execArgv });
  const listening = Promise.withResolvers<number>();
  const ready = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<number>();
  const allEnded = Promise.withResolvers<void>();
  const members = new Set<Member>();
  const readyOnce = new Set<number>();
  let isEnding = false;
  let earlyEnds = 0;

  const invalidateOthers = async (writer: Member, tags: unknown): Promise<void> => {
    // A worker that is not listening yet has cached nothing.
    const others = [...members].filter((member) => member !== writer && member.stage !== "starting");
    await Promise.all(others.map(({ ipc }) => ipc.call("invalidate", tags, CALL_TIMEOUT_MS)));
  };

  /** The origin's exit code if a replacement would end too. */
  const hopelessCode = ({ stage }: Member, code: number | null): number | undefined => {
    if (code === EXIT.configuration) return code;
    if (stage === "ready") return undefined;
    earlyEnds += 1;
    // The first start fails like a single process; later the reason may be temporary.
    const isFirstStart = readyOnce.size === 0 && code !== null;
    return isFirstStart || earlyEnds > MAX_EARLY_ENDS ? EXIT.failure : undefined;
  };

  const replace = async (member: Member, slot: number, code: number | null, signal: string | null) => {
    const exitCode = hopelessCode(member, code);
    if (exitCode !== undefined) {
      log.fatal({ slot, code, signal }, "a worker ended unexpectedly; a replacement would fail too");
      failed.resolve(exitCode);
      return;
    }
    log.error({ slot, code, signal }, "a worker ended unexpectedly and is replaced");
    await sleep(FIRST_PAUSE_MS * 2 ** Math.max(0, earlyEnds - 1));
    if (!isEnding) start(slot);
  };

  const start = (slot: number): void => {
    const worker = cluster.fork({ NODE_OPTIONS: nodeOptions });
    const ipc = createIpc(
      (message) => {
        if (worker.isConnected()) worker.send(message, () => undefined);
      },
      {
        listening: (port) => {
          member.stage = "listening";
          listening.resolve(Number(port));
          // An earlier message was lost.
          if (isEnding) ipc.notify("drain");
        },
        ready: () => {
          member.stage = "ready";
          earlyEnds = 0;
          readyOnce.add(slot);
          if (readyOnce.size === count) ready.resolve();
        },
        invalidate: (tags) => invalidateOthers(member, tags),
      },
    );
    const member: Member = { worker, ipc, stage: "starting" };
    members.add(member);
    worker.on("message", ipc.receive);
    worker.on("error", (error) => log.warn({ err: error, slot }, "a worker is unreachable"));
    worker.on("exit", (code: number | null, signal: string | null) => {
      members.delete(member);
      if (!isEnding) void replace(member, slot, code, signal);
      else if (members.size === 0) allEnded.resolve();
    });
  };

  const kill = (): void => {
    for (const { worker } of members) worker.process.kill("SIGKILL");
  };

  for (let slot = 1; slot <= count; slot += 1) start(slot);

  return {
    /** The API's port. */
    listening: listening.promise,
    /** Resolves when every worker has been ready once. */
    ready: ready.promise,
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
      for (const { ipc } of members) ipc.notify("drain");
      const timer = setTimeout(() => {
        log.warn({ workers: members.size }, "workers were killed: they took too long to end");
        kill();
      }, timeoutMs);
      await allEnded.promise;
      clearTimeout(timer);
    },
    kill,
  };
};

const workerReport = z.object({
  ready: z.boolean(),
  migrated: z.boolean(),
  dependencies: z.record(z.string(), z.enum(["up", "down"])),
});

/** Serialized by the worker's own prom-client. */
const isMetrics = (response: unknown): response is ProcessReport => Array.isArray(response);

/** @returns the exit code @throws if the admin port cannot be opened */
export const runPrimary = async ({ server }: OriginConfiguration, { log }: ProcessLog): Promise<number> => {
  const workers = startWorkers(server.workers, log);
  const stopped = firstStopSignal(log, () => workers.kill());
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
  const totals = createTotals();
  const metricsText = async (): Promise<string> => {
    const responses = await workers.ask("metrics");
    return await totals.text(
      new Map(responses.map(([id, response]) => [id, isMetrics(response) ? response : undefined])),
    );
  };
  const admin = await listen(
    createAdmin({ report }, { contentType: totals.contentType, text: metricsText }).fetch,
    { host: server.host, port: server.adminPort },
  );
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
