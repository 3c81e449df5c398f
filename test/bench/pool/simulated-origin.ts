/** An origin as a queue: so many requests are served at a time, the others wait, first come first served. */
import type { Timeline } from "./timeline.ts";

export interface Job {
  readonly done: () => void;
  state: "waiting" | "served" | "over";
}

export interface SimulatedOrigin {
  add(job: Job): void;
  /** Nobody waits for it any more: it leaves the queue, or its slot. */
  cancel(job: Job): void;
}

export const createOrigin = (slots: number, serviceMs: () => number, timeline: Timeline): SimulatedOrigin => {
  const waiting = new Set<Job>();
  let free = slots;

  const serve = (job: Job): void => {
    free -= 1;
    job.state = "served";
    timeline.at(timeline.nowMs() + serviceMs(), () => {
      // Its slot was freed when it was cancelled.
      if (job.state === "over") return;
      leave(job);
      job.done();
    });
  };

  const leave = (job: Job): void => {
    job.state = "over";
    free += 1;
    const [next] = waiting;
    if (next === undefined) return;
    waiting.delete(next);
    serve(next);
  };

  return {
    add: (job) => {
      if (free > 0) serve(job);
      else waiting.add(job);
    },
    cancel: (job) => {
      if (job.state === "served") leave(job);
      else if (job.state === "waiting") {
        job.state = "over";
        waiting.delete(job);
      }
    },
  };
};
