/**
 * An issuer's keys as an isolate knows them. They are fetched when they are needed first, when a token names a key that
 * is not among them, and when they have become old; whatever comes, no more often than once in a while. What several
 * requests share is plain data, as on Workers one may not wait for another one's promise: who needs what another one is
 * fetching looks for it now and then. A request that dies while it fetches leaves nothing behind but a time.
 */
import type { TokenAlgorithm } from "./algorithms.ts";
import { keysFor, readKeySet, type VerificationKey } from "./key-set.ts";

export interface IssuerKeysOptions {
  readonly algorithms: readonly TokenAlgorithm[];
  /** Fetches the document and parses it; may fail, or never end. */
  readonly fetchKeys: () => Promise<unknown>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** What the work gives; rejects where it takes longer than so many milliseconds. */
  readonly within: (work: Promise<unknown>, ms: number) => Promise<unknown>;
  readonly pause: (ms: number) => Promise<void>;
  /**
   * From the beginning of one fetch to that of the next, milliseconds. As long as no set has ever been had it is less:
   * 1 s, and twice as long after each further fetch that failed, up to this.
   */
  readonly refetchMs: number;
  /** Older ones are fetched again in the background, and used meanwhile. */
  readonly maxAgeMs: number;
  /** For so long a fetch is waited for. */
  readonly fetchTimeoutMs: number;
}

export interface IssuerKeys {
  /** The key with which a token has to be proven. */
  find(
    algorithm: TokenAlgorithm,
    kid: string | undefined,
    inBackground: (work: Promise<unknown>) => void,
  ): Promise<VerificationKey | "unknown" | "unavailable">;
}

/** How often is looked whether another one has brought them, milliseconds. */
const LOOK_EVERY_MS = 20;
/** After the first fetch that failed, where no set has ever been had, milliseconds. */
const FIRST_RETRY_MS = 1_000;

interface Flight {
  readonly sentAtMs: number;
  isOver: boolean;
}

/** A time further ahead than now is where the clock was set back: then nothing is known of how long it is since. */
const isWithin = (sinceMs: number, nowMs: number, lastsMs: number): boolean =>
  nowMs >= sinceMs && nowMs - sinceMs < lastsMs;

class IssuerKeysCore implements IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #keys: readonly VerificationKey[] | undefined;
  #keysAtMs = 0;
  /** The last one, over or not. */
  #flight: Flight | undefined;
  #failures = 0;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
  }

  async find(
    algorithm: TokenAlgorithm,
    kid: string | undefined,
    inBackground: (work: Promise<unknown>) => void,
  ): Promise<VerificationKey | "unknown" | "unavailable"> {
    const known = keysFor(this.#keys ?? [], algorithm, kid);
    if (known.length === 0) await this.#renew(inBackground);
    else if (this.#isOld()) void this.#begin(inBackground);
    const keys = known.length === 0 ? keysFor(this.#keys ?? [], algorithm, kid) : known;
    if (this.#keys === undefined) return "unavailable";
    const [key] = keys;
    // Of several nobody knows which is meant.
    return key === undefined || keys.length > 1 ? "unknown" : key;
  }

  async #renew(inBackground: (work: Promise<unknown>) => void): Promise<void> {
    const begun = this.#begin(inBackground);
    if (begun !== undefined) return await begun;
    const flight = this.#flight;
    const { fetchTimeoutMs, pause } = this.#options;
    for (let waitedMs = 0; waitedMs < fetchTimeoutMs; waitedMs += LOOK_EVERY_MS) {
      if (flight === undefined || !this.#isUnderWay(flight)) return;
      await pause(LOOK_EVERY_MS);
    }
  }

  /** Undefined where there is a fetch under way, or was one lately. */
  #begin(inBackground: (work: Promise<unknown>) => void): Promise<void> | undefined {
    const nowMs = this.#options.now();
    const last = this.#flight;
    if (last !== undefined && (this.#isUnderWay(last) || isWithin(last.sentAtMs, nowMs, this.#restMs())))
      return undefined;
    const flight: Flight = { sentAtMs: nowMs, isOver: false };
    this.#flight = flight;
    const work = this.#fetch(flight);
    // The request may be over before it is; others wait for it.
    inBackground(work);
    return work;
  }

  async #fetch(flight: Flight): Promise<void> {
    const { algorithms, fetchKeys, fetchTimeoutMs, within } = this.#options;
    this.#failures += 1;
    try {
      const keys = await readKeySet(await within(fetchKeys(), fetchTimeoutMs), algorithms);
      // One that was given up brings what is older than what a later one has brought.
      if (keys === undefined || this.#flight !== flight) return;
      this.#keys = keys;
      this.#keysAtMs = flight.sentAtMs;
      this.#failures = 0;
    } catch {
      // What there was stays.
    } finally {
      flight.isOver = true;
    }
  }

  #isUnderWay({ sentAtMs, isOver }: Flight): boolean {
    return !isOver && isWithin(sentAtMs, this.#options.now(), this.#options.fetchTimeoutMs);
  }

  #restMs(): number {
    const { refetchMs } = this.#options;
    return this.#keys === undefined
      ? Math.min(refetchMs, FIRST_RETRY_MS * 2 ** (this.#failures - 1))
      : refetchMs;
  }

  #isOld(): boolean {
    return !isWithin(this.#keysAtMs, this.#options.now(), this.#options.maxAgeMs);
  }
}

export const createIssuerKeys = (options: IssuerKeysOptions): IssuerKeys => new IssuerKeysCore(options);
