/** The workers as the primary sees them: started, asked, replaced when they die, ended together. */
import cluster, { type Worker } from "node:cluster";
import { setTimeout as pause } from "node:timers/promises";
import { getHeapStatistics } from "node:v8";
import { withTimeout } from "../../lib/async.ts";
import type { OriginLog } from "../log/log.ts";
import { EXIT } from "./exit-codes.ts";
import { heapShare } from "./heap-share.ts";
import { type Question, readToPrimary, type ToWorker } from "./worker-messages.ts";

export interface Workers {
  readonly listening: Promise<number>;
  /** Resolves when every worker has been ready once. */
  readonly ready: Promise<void>;
  /** Resolves with an exit code when the workers cannot be kept alive. */
  readonly failed: Promise<number>;
  /** What each worker that lives answers, by a number that no other has had; undefined where it does not in time. */
  ask(question: Question): Promise<ReadonlyMap<number, unknown>>;
  /** Drains all of them at once; resolves when the last one is gone. Who takes longer is killed. */
  drain(timeoutMs: number): Promise<void>;
  kill(): void;
}

/** Longer than a worker looks at its dependencies, shorter than Kubernetes' probes wait, milliseconds. */
const ASK_TIMEOUT_MS = 800;
/** So many workers may end one after another before they have been ready; then starting another will not help. */
const MAX_EARLY_ENDS = 5;
const FIRST_PAUSE_MS = 500;
const MEBIBYTE = 1024 * 1024;

/** How far a worker has come. */
type Stage = "starting" | "listening" | "ready";

export const startWorkers = (count: number, log: OriginLog): Workers => {
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
  const alive = new Map<Worker, Stage>();
  const readyOnce = new Set<number>();
  const pending = new Map<number, (value: unknown) => void>();
  let nextQuestion = 0;
  let isEnding = false;
  let earlyEnds = 0;
  let onAllGone = (): void => undefined;

  const send = (worker: Worker, message: ToWorker): void => {
    if (worker.isConnected()) worker.send(message, () => undefined);
  };

  const take = (worker: Worker, slot: number, message: unknown): void => {
    const read = readToPrimary(message);
    switch (read?.kind) {
      case "listening":
        alive.set(worker, "listening");
        listening.resolve(read.port);
        // What was sent to it before it listened to the channel is lost.
        if (isEnding) send(worker, { kind: "drain" });
        break;
      case "ready":
        alive.set(worker, "ready");
        earlyEnds = 0;
        readyOnce.add(slot);
        if (readyOnce.size === count) ready.resolve();
        break;
      case "answer":
        pending.get(read.id)?.(read.value);
        break;
      case "invalidate":
        void invalidateOthers(worker, read.tags).then(() =>
          send(worker, { kind: "invalidated", id: read.id }),
        );
    }
  };

  /** Why no other worker will fare better; undefined where one may. */
  const hopeless = (stage: Stage, code: number | null): number | undefined => {
    if (code === EXIT.configuration) return code;
    if (stage === "ready") return undefined;
    earlyEnds += 1;
    // The first start fails as that of a single process does; later on a reason may pass.
    const isFirstStart = readyOnce.size === 0 && code !== null;
    return isFirstStart || earlyEnds > MAX_EARLY_ENDS ? EXIT.failure : undefined;
  };

  const start = (slot: number): void => {
    const worker = cluster.fork({ NODE_OPTIONS: nodeOptions });
    alive.set(worker, "starting");
    worker.on("message", (message: unknown) => take(worker, slot, message));
    worker.on("error", (error) => log.warn({ err: error, slot }, "a worker cannot be reached"));
    worker.on("exit", (code: number | null, signal: string | null) => {
      const stage = alive.get(worker) ?? "starting";
      alive.delete(worker);
      if (alive.size === 0) onAllGone();
      if (!isEnding) void replace(slot, stage, code, signal);
    });
  };

  const replace = async (
    slot: number,
    stage: Stage,
    code: number | null,
    signal: string | null,
  ): Promise<void> => {
    const exitCode = hopeless(stage, code);
    if (exitCode !== undefined) {
      log.fatal({ slot, code, signal }, "a worker has ended by itself; another would too");
      failed.resolve(exitCode);
      return;
    }
    log.error({ slot, code, signal }, "a worker has ended by itself; another takes its place");
    await pause(FIRST_PAUSE_MS * 2 ** Math.max(0, earlyEnds - 1));
    if (!isEnding) start(slot);
  };

  const askOne = async (worker: Worker, ask: (id: number) => ToWorker): Promise<unknown> => {
    const id = nextQuestion;
    nextQuestion += 1;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    pending.set(id, resolve);
    send(worker, ask(id));
    try {
      return await withTimeout(promise, ASK_TIMEOUT_MS, { fallback: undefined });
    } finally {
      pending.delete(id);
    }
  };

  /** One that does not listen yet has nothing that could be old. */
  const invalidateOthers = async (writer: Worker, tags: string[]): Promise<void> => {
    const others = [...alive].filter(([worker, stage]) => worker !== writer && stage !== "starting");
    await Promise.all(others.map(([worker]) => askOne(worker, (id) => ({ kind: "invalidate", id, tags }))));
  };

  const kill = (): void => {
    for (const { process: child } of alive.keys()) child.kill("SIGKILL");
  };

  for (let slot = 1; slot <= count; slot += 1) start(slot);

  return {
    listening: listening.promise,
    ready: ready.promise,
    failed: failed.promise,
    ask: async (question) => {
      const answers = [...alive].map(async ([worker, stage]): Promise<readonly [number, unknown]> => {
        // One that does not listen yet would not hear.
        return [
          worker.id,
          stage === "starting" ? undefined : await askOne(worker, (id) => ({ kind: "ask", id, question })),
        ];
      });
      return new Map(await Promise.all(answers));
    },
    drain: async (timeoutMs) => {
      isEnding = true;
      if (alive.size === 0) return;
      const allGone = Promise.withResolvers<void>();
      onAllGone = allGone.resolve;
      for (const worker of alive.keys()) send(worker, { kind: "drain" });
      const timer = setTimeout(() => {
        log.warn({ workers: alive.size }, "workers were killed: they took too long to end");
        kill();
      }, timeoutMs);
      await allGone.promise;
      clearTimeout(timer);
    },
    kill,
  };
};
