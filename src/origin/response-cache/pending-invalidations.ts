/** The invalidations of this process: those that Redis does not have yet, and the versions of those that it has. */
import { LRUCache } from "lru-cache";

/** The tag of every entry. */
export const EVERYTHING = "*";
const BATCH_SIZE = 100;
const MAX_TAGS = 10_000;

export class PendingInvalidations {
  /** By tag; the number distinguishes an invalidation from later ones of the same tag. */
  readonly #pending = new Map<string, number>();
  readonly #published: LRUCache<string, number>;
  #lastId = 0;

  /** @param lifetimeMs of entries: older versions matter to none */
  constructor(lifetimeMs: number, now: () => number) {
    this.#published = new LRUCache({ max: MAX_TAGS, ttl: lifetimeMs, ttlResolution: 0, perf: { now } });
  }

  add(tags: readonly string[]): void {
    this.#lastId += 1;
    for (const tag of tags) this.#pending.set(tag, this.#lastId);
    if (this.#pending.size <= MAX_TAGS) return;
    this.#pending.clear();
    this.#pending.set(EVERYTHING, this.#lastId);
  }

  /** Some that Redis does not have; empty if it has all. */
  batch(): [tag: string, id: number][] {
    return [...this.#pending].slice(0, BATCH_SIZE);
  }

  /** Redis has raised the tag to this version. */
  publish(tag: string, id: number, version: number): void {
    if (this.#pending.get(tag) === id) this.#pending.delete(tag);
    this.#published.set(tag, version);
  }

  /** Whether Redis may have entries under these tags that this process has invalidated. */
  has(tags: readonly string[]): boolean {
    return this.#pending.has(EVERYTHING) || tags.some((tag) => this.#pending.has(tag));
  }

  /** The lowest version that an entry may have under this tag. */
  minVersion(tag: string): number {
    return this.#published.get(tag) ?? 0;
  }
}
