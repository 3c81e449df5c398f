/** An origin as a queue in virtual time: it serves a number of requests at a time, first come first served. */
import type { Agenda } from "../../resilience/concurrency-limit/support/agenda.ts";

export interface Job {
  readonly done: () => void;
  state: "waiting" | "served" | "over";
}

export interface SimulatedOrigin {
  add(job: Job): void;
  /** Removes it from the queue, or frees its slot. */
  cancel(job: Job): void;
}

export const createOrigin = (slots: number, serviceMs: () => number, events: Agenda): SimulatedOrigin => {
  const waiting = new Set<Job>();
  let free = slots;

  const serve = (job: Job): void => {
    free -= 1;
    job.state = "served";
    events.after(serviceMs(), () => {
      // Its slot was freed when it was canceled.
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
      waiting.delete(job);
      job.state = "over";
    },
  };
};
