/**
 * The invalidations by this process, so that it never takes an older entry from Redis: which ones Redis does not know yet,
 * and the versions of the others.
 */

export interface PendingInvalidation {
  readonly tag: string;
  /** Distinguishes it from later ones of the same tag. */
  readonly id: number;
}

/** The tag of every entry. */
export const EVERYTHING = "*";
const BATCH_SIZE = 100;
const MAX_TAGS = 10_000;

export class PendingInvalidations {
  readonly #pending = new Map<string, number>();
  /** Ordered by time. */
  readonly #published = new Map<string, { readonly version: number; readonly atMs: number }>();
  readonly #lifetimeMs: number;
  #lastId = 0;

  /** @param lifetimeMs of entries: a version that was published earlier matters to none */
  constructor(lifetimeMs: number) {
    this.#lifetimeMs = lifetimeMs;
  }

  add(tags: readonly string[]): void {
    this.#lastId += 1;
    for (const tag of tags) this.#pending.set(tag, this.#lastId);
    if (this.#pending.size <= MAX_TAGS) return;
    this.#pending.clear();
    this.#pending.set(EVERYTHING, this.#lastId);
  }

  /** Some that Redis does not know; empty if it knows all. */
  batch(): PendingInvalidation[] {
    return [...this.#pending].slice(0, BATCH_SIZE).map(([tag, id]) => ({ tag, id }));
  }

  /** Redis has raised the tag to this version. */
  publish({ tag, id }: PendingInvalidation, version: number, atMs: number): void {
    if (this.#pending.get(tag) === id) this.#pending.delete(tag);
    this.#published.delete(tag);
    this.#published.set(tag, { version, atMs });
    const [oldest] = this.#published.keys();
    if (this.#published.size > MAX_TAGS && oldest !== undefined) this.#published.delete(oldest);
  }

  /** Whether Redis may have entries under these tags that this process has invalidated. */
  has(tags: readonly string[]): boolean {
    return this.#pending.has(EVERYTHING) || tags.some((tag) => this.#pending.has(tag));
  }

  /** The lowest version that an entry may have under this tag. */
  minVersion(tag: string, nowMs: number): number {
    const { version = 0, atMs = nowMs } = this.#published.get(tag) ?? {};
    return nowMs - atMs < this.#lifetimeMs ? version : 0;
  }
}
