/** A backend of so many slots, each of which serves one piece of work at a time, first come first. */
import type { Agenda } from "./agenda.ts";

/** What was served is forgotten when it is so much. */
const FORGET_AT = 1_000;

export class Slots {
  /** May be changed at any time. */
  count: number;
  readonly #agenda: Agenda;
  #busy = 0;
  #backlog: (() => void)[] = [];
  #nextAt = 0;

  constructor(count: number, agenda: Agenda) {
    this.count = count;
    this.#agenda = agenda;
  }

  /** Calls back when it is done. @param serviceMs asked for when the work gets its slot */
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
    if (this.#nextAt > FORGET_AT) {
      this.#backlog = this.#backlog.slice(this.#nextAt);
      this.#nextAt = 0;
    }
  }
}
