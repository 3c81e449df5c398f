/** Samples what the system's processes use, and the depth of the outbox. */
import { setTimeout as pause } from "node:timers/promises";
import type { World } from "../world.ts";
import { type HeapProbe, type Usage, usageOf } from "./process-sample.ts";

export interface OriginSample extends Usage {
  /** After a full garbage collection; undefined in most samples, because it stops the process for a moment. */
  readonly heapKib: number | undefined;
  /** Active resources of libuv. */
  readonly handles: number | undefined;
}

export interface Sample {
  /** Since the start. */
  readonly minute: number;
  readonly edge: Usage;
  readonly origins: readonly OriginSample[];
  /** Rows. */
  readonly outbox: number;
}

export interface Sampler {
  /** @returns all samples @throws Error if a process has ended meanwhile */
  stop(): Promise<readonly Sample[]>;
}

const INTERVAL_MS = 10_000;
/** The heap is read with every third sample. */
const HEAP_EVERY = 3;

/** Rows of every sink, dead ones included. */
export const countOutbox = async ({ pool }: World): Promise<number> => {
  const [row] = await pool.query<{ rows: number }>("SELECT count(*)::int AS rows FROM security_event_outbox");
  return row?.rows ?? Number.NaN;
};

export const startSampler = (world: World, probes: readonly HeapProbe[]): Sampler => {
  const startMs = performance.now();
  const stopping = new AbortController();
  const samples: Sample[] = [];

  const take = async (): Promise<void> => {
    const readsHeap = samples.length % HEAP_EVERY === 0;
    const minute = (performance.now() - startMs) / 60_000;
    const [edge, outbox, origins] = await Promise.all([
      usageOf(world.edgePid),
      countOutbox(world),
      Promise.all(
        world.origins.map(async ({ pid }, index): Promise<OriginSample> => {
          const usage = await usageOf(pid);
          const probed = readsHeap ? await probes[index]?.read() : undefined;
          return { ...usage, heapKib: probed?.heapKib, handles: probed?.handles };
        }),
      ),
    ]);
    samples.push({ minute, edge, origins, outbox });
  };
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await take();
      await pause(INTERVAL_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const running = run();
  // `stop` throws it.
  running.catch(() => undefined);
  return {
    stop: async () => {
      stopping.abort();
      await running;
      return samples;
    },
  };
};
