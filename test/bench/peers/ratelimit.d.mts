export type Algorithm = "fixedWindow" | "slidingWindow" | "tokenBucket" | "cachedFixedWindow";

export interface RatelimitSetup {
  readonly algorithm: Algorithm;
  readonly url: string;
  readonly token: string;
  readonly prefix: string;
  readonly tokens: number;
  readonly windowMs: number;
}

export interface RatelimitAnswer {
  readonly success: boolean;
  readonly pending: Promise<unknown>;
  readonly reason?: string;
}

export const algorithms: readonly Algorithm[];
/** Of its window a token bucket gets back so large a part at a time. */
export const refillPart: number;
/** What an isolate has: a limiter with a cache and a connection of its own. */
export function createRatelimit(
  setup: RatelimitSetup,
): (identifier: string, rate: number) => Promise<RatelimitAnswer>;
