/** A log of admitted requests, against a limit of tokens in any window of a given length. */

interface Admitted {
  readonly atMs: number;
  readonly tokens: number;
}

export class WindowLog {
  readonly #tokens: number;
  readonly #windowMs: number;
  /** Entries from `#from` on are within the window that ends now. */
  readonly #admitted: Admitted[] = [];
  #from = 0;
  #within = 0;
  /** The most tokens in any window of that length. A window includes one of its ends. */
  most = 0;
  /** Rejections although the window that ended then had room. */
  falselyRefused = 0;

  constructor(tokens: number, windowMs: number) {
    this.#tokens = tokens;
    this.#windowMs = windowMs;
  }

  /** @param atMs not before earlier calls */
  admit(tokens: number, atMs: number): void {
    this.#goTo(atMs);
    this.#admitted.push({ atMs, tokens });
    this.#within += tokens;
    this.most = Math.max(this.most, this.#within);
  }

  refuse(tokens: number, atMs: number): void {
    this.#goTo(atMs);
    if (this.#within + tokens <= this.#tokens) this.falselyRefused += 1;
  }

  #goTo(nowMs: number): void {
    for (
      let first = this.#admitted[this.#from];
      first !== undefined && first.atMs <= nowMs - this.#windowMs;
      first = this.#admitted[this.#from]
    ) {
      this.#within -= first.tokens;
      this.#from += 1;
    }
  }
}
