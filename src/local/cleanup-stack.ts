/** Cleanup functions, run in the reverse order of their registration. */
export class CleanupStack {
  readonly #cleanups: (() => Promise<unknown>)[] = [];

  add(cleanup: () => Promise<unknown>): void {
    this.#cleanups.push(cleanup);
  }

  /** Runs them all, even if some fail. */
  async runAll(): Promise<void> {
    for (let next = this.#cleanups.pop(); next !== undefined; next = this.#cleanups.pop()) {
      await next().catch(() => undefined);
    }
  }
}
