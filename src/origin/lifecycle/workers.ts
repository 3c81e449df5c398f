/** The workers as the primary sees them: started, asked, replaced when they die, ended together. */
import cluster, { type Worker } from "node:cluster";
import { setTimeout as pause } from "node:timers/promises";
import { getHeapStatistics } from "node:v8";
import type { OriginLog } from "../log.ts";
import { within } from "../within.ts";
import { EXIT } from "./exit-codes.ts";
import { type Question, readToPrimary, type ToWorker } from "./worker-messages.ts";

export interface Workers {
  readonly listening: Promise<number>;
  /** Resolves when every worker has been ready once. */
  readonly ready: Promise<void>;
  /** Resolves with an exit code when the workers cannot be kept alive. */
  readonly failed: Promise<number>;
  /** What each worker answers in time. */
  ask(question: Question): Promise<unknown[]>;
  /** Drains all of them at once; resolves when the last one is gone. */
  drain(): Promise<void>;
  kill(): void;
}

const ASK_TIMEOUT_MS = 1_000;
/** So many workers may end one after another before they have been ready; then starting another will not help. */
const MAX_EARLY_ENDS = 5;
const FIRST_PAUSE_MS = 500;
const MEBIBYTE = 1024 * 1024;

/** Each worker gets its part of the heap that this process was given. */
const heapOptions = (count: number): { execArgv: string[]; nodeOptions: string } => {
  const shareMiB = Math.max(64, Math.floor(getHeapStatistics().heap_size_limit / MEBIBYTE / count));
  const isHeapOption = (option: string): boolean => option.startsWith("--max-old-space-size");
  return {
    execArgv: [
      ...process.execArgv.filter((option) => !isHeapOption(option)),
      `--max-old-space-size=${shareMiB}`,
    ],
    nodeOptions: (process.env["NODE_OPTIONS"] ?? "")
      .split(/\s+/)
      .filter((option) => !isHeapOption(option))
      .join(" "),
  };
};

export const startWorkers = (count: number, log: OriginLog): Workers => {
  const { execArgv, nodeOptions } = heapOptions(count);
  cluster.setupPrimary({ execArgv });
  const listening = Promise.withResolvers<number>();
  const ready = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<number>();
  const alive = new Set<Worker>();
  const readyOnce = new Set<number>();
  const gone = new EventTarget();
  const pending = new Map<number, (value: unknown) => void>();
  let nextQuestion = 0;
  let isEnding = false;
  let earlyEnds = 0;

  const take = (slot: number, message: unknown): void => {
    const read = readToPrimary(message);
    switch (read?.kind) {
      case "listening":
        listening.resolve(read.port);
        break;
      case "ready":
        earlyEnds = 0;
        readyOnce.add(slot);
        if (readyOnce.size === count) ready.resolve();
        break;
      case "answer":
        pending.get(read.id)?.(read.value);
    }
  };

  const replace = async (slot: number, code: number): Promise<void> => {
    earlyEnds += 1;
    if (code === EXIT.configuration || earlyEnds > MAX_EARLY_ENDS) {
      failed.resolve(code === EXIT.configuration ? code : EXIT.failure);
      return;
    }
    await pause(FIRST_PAUSE_MS * 2 ** (earlyEnds - 1));
    if (!isEnding) start(slot);
  };

  const start = (slot: number): void => {
    const worker = cluster.fork({ NODE_OPTIONS: nodeOptions });
    alive.add(worker);
    worker.on("message", (message: unknown) => take(slot, message));
    worker.on("error", (error) => log.warn({ err: error, slot }, "a worker cannot be reached"));
    worker.on("exit", (code, signal) => {
      alive.delete(worker);
      if (alive.size === 0) gone.dispatchEvent(new Event("all"));
      if (isEnding) return;
      log.error({ slot, code, signal }, "a worker has ended by itself; another takes its place");
      void replace(slot, code);
    });
  };

  const send = (worker: Worker, message: ToWorker): void => {
    if (worker.isConnected()) worker.send(message, () => undefined);
  };

  const askOne = async (worker: Worker, question: Question): Promise<unknown> => {
    const id = nextQuestion;
    nextQuestion += 1;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    pending.set(id, resolve);
    send(worker, { kind: "ask", id, question });
    try {
      return await within(promise, ASK_TIMEOUT_MS, undefined);
    } finally {
      pending.delete(id);
    }
  };

  for (let slot = 1; slot <= count; slot += 1) start(slot);

  return {
    listening: listening.promise,
    ready: ready.promise,
    failed: failed.promise,
    ask: async (question) => {
      const values = await Promise.all([...alive].map((worker) => askOne(worker, question)));
      return values.filter((value) => value !== undefined);
    },
    drain: async () => {
      isEnding = true;
      if (alive.size === 0) return;
      const all = new Promise((resolve) => gone.addEventListener("all", resolve, { once: true }));
      for (const worker of alive) send(worker, { kind: "drain" });
      await all;
    },
    kill: () => {
      for (const { process: child } of alive) child.kill("SIGKILL");
    },
  };
};
