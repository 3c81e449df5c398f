/** Runs the inputs of one target: those of the corpus, then generated ones in batches, each with a seed of its own. */
import fc from "fast-check";
import { usedBytes } from "../support/heap.ts";
import { readCorpus } from "./corpus.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { Check, Services, Target } from "./target.ts";

export interface Job {
  readonly inputs: number;
  readonly seed: number;
  readonly services: Services;
}

export interface Failure {
  /** As JSON. */
  readonly input: string;
  readonly reason: string;
  /** With it, the first batch generates the input again; undefined for an input of the corpus. */
  readonly seed: number | undefined;
}

export interface Outcome {
  readonly inputs: number;
  readonly failures: readonly Failure[];
  /** Processor time of this thread, milliseconds, and the input as JSON. */
  readonly slowest: { readonly ms: number; readonly input: string };
  /** Memory in use after the inputs, beyond that after the first tenth, bytes. */
  readonly grownBytes: number;
}

/** Of all lanes together. */
const BATCH = 500;
/** Processor time that one input may take, milliseconds: other processes do not change it. */
const MAX_INPUT_MS = 1_000;
/** Different failures after which a target ends. */
const MAX_FAILURES = 10;
/** A batch, and making a failing input smaller, take this long at most, milliseconds. */
const SHRINK_MS = 60_000;

const reasonOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 4).join("\n") : String(error);

const processorMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};

/** Runs single inputs, and keeps the slowest. */
const createRunner = <Input>(check: Check<Input>, isAlone: boolean) => {
  let slowest = { ms: 0, input: "" };
  /** Rejections that no code has handled. */
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", onUnhandled);
  return {
    stop: (): void => void process.off("unhandledRejection", onUnhandled),
    slowest: () => slowest,
    run: async (input: Input, heartbeat: Heartbeat): Promise<void> => {
      const text = JSON.stringify(input);
      heartbeat.begin(text);
      const beganMs = processorMs();
      let ms = 0;
      try {
        await check.run(input);
      } finally {
        ms = processorMs() - beganMs;
        heartbeat.end();
        if (ms > slowest.ms) slowest = { ms, input: text };
      }
      if (unhandled.length > 0) throw new Error(`unhandled: ${reasonOf(unhandled.splice(0)[0])}`);
      // Other lanes of the thread would count, too.
      if (isAlone && ms > MAX_INPUT_MS) throw new Error(`took ${Math.round(ms)} ms of processor time`);
    },
  };
};

/**
 * @param heartbeatOf a lane
 * @param onBatch called with the number of inputs so far
 */
export const exercise = async <Input>(
  target: Target<Input>,
  { inputs: wanted, seed, services }: Job,
  heartbeatOf: (lane: number) => Heartbeat,
  onBatch: (inputs: number) => void,
): Promise<Outcome> => {
  const { name, schema, lanes = 1 } = target;
  const corpus = await readCorpus(name, schema);
  const check = await target.start(services);
  const { run, slowest, stop } = createRunner(check, lanes === 1);
  const failures: Failure[] = [];
  let inputs = 0;
  let planned = 0;
  let batches = 0;
  let baseBytes: number | undefined;

  const replay = async (): Promise<void> => {
    for (const input of [...corpus.seeds, ...corpus.found]) {
      inputs += 1;
      const fail = (error: unknown): void =>
        void failures.push({ input: JSON.stringify(input), reason: reasonOf(error), seed: undefined });
      await run(input, heartbeatOf(0)).catch(fail);
    }
    planned = inputs;
  };

  const runLane = async (_: unknown, lane: number): Promise<void> => {
    const heartbeat = heartbeatOf(lane);
    const property = fc.asyncProperty(target.inputs(corpus.seeds), (input) => run(input, heartbeat));
    while (planned < wanted && failures.length < MAX_FAILURES) {
      const numRuns = Math.min(Math.ceil(BATCH / lanes), wanted - planned);
      const batchSeed = seed + batches;
      planned += numRuns;
      batches += 1;
      const details = await fc.check(property, {
        seed: batchSeed,
        numRuns,
        interruptAfterTimeLimit: SHRINK_MS,
      });
      inputs += details.numRuns;
      // A batch that takes too long is cut.
      planned += details.numRuns - numRuns;
      const { counterexample, errorInstance } = details;
      if (counterexample !== null) {
        const [input] = counterexample;
        failures.push({ input: JSON.stringify(input), reason: reasonOf(errorInstance), seed: batchSeed });
      }
      if (baseBytes === undefined && inputs * 10 >= wanted) baseBytes = usedBytes();
      onBatch(inputs);
    }
  };

  try {
    await replay();
    await Promise.all(Array.from({ length: lanes }, runLane));
    const grownBytes = baseBytes === undefined ? 0 : usedBytes() - baseBytes;
    return { inputs, failures, slowest: slowest(), grownBytes };
  } finally {
    await check.stop?.();
    stop();
  }
};
