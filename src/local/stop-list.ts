/** What has been started, to be stopped in the reverse order. */
export class StopList {
  readonly #stops: (() => Promise<unknown>)[] = [];

  add(stop: () => Promise<unknown>): void {
    this.#stops.push(stop);
  }

  /** Stops everything; a part that fails to stop does not keep the others running. */
  async stopAll(): Promise<void> {
    for (let stop = this.#stops.pop(); stop !== undefined; stop = this.#stops.pop()) {
      await stop().catch(() => undefined);
    }
  }
}
