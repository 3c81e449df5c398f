/** A backend of slots that serve one piece of work each at a time, first in, first out. */
import type { Agenda } from "./agenda.ts";

/** Served entries to drop at once. */
const COMPACT_AT = 1_000;

export class Slots {
  /** May change at any time. */
  count: number;
  readonly #agenda: Agenda;
  #busy = 0;
  #backlog: (() => void)[] = [];
  #nextAt = 0;

  constructor(count: number, agenda: Agenda) {
    this.count = count;
    this.#agenda = agenda;
  }

  /** Calls `done` when the work is done. @param serviceMs called when the work gets its slot */
  serve(serviceMs: () => number, done: () => void): void {
    this.#backlog.push(() => {
      this.#busy += 1;
      this.#agenda.after(serviceMs(), () => {
        this.#busy -= 1;
        done();
        this.#serveNext();
      });
    });
    this.#serveNext();
  }

  #serveNext(): void {
    while (this.#busy < this.count) {
      const begin = this.#backlog[this.#nextAt];
      if (begin === undefined) break;
      this.#nextAt += 1;
      begin();
    }
    if (this.#nextAt > COMPACT_AT) {
      this.#backlog = this.#backlog.slice(this.#nextAt);
      this.#nextAt = 0;
    }
  }
}
