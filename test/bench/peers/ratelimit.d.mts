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
/** One isolate's limiter, with its own cache and connection. */
export function createRatelimit(setup: RatelimitSetup): (identifier: string) => Promise<RatelimitAnswer>;
