/**
 * Redis by Upstash's REST protocol (https://upstash.com/docs/redis/features/restapi): a command is a JSON array, its
 * reply stands in the answer's `result`. `@upstash/redis`, which the origin uses, holds every command that there is,
 * and was two fifths of the worker.
 */

export type RedisReply = string | number | null | readonly RedisReply[];

export interface RedisClient {
  /**
   * Sends one command, once.
   *
   * @throws RedisError for what Redis itself refuses; any other error where it could not be heard in time
   */
  command(...parts: readonly (string | number)[]): Promise<RedisReply>;
}

/** What Redis says of a command that it refuses, such as `NOSCRIPT …`. */
export class RedisError extends Error {
  override readonly name = "RedisError";
}

export interface RedisClientOptions {
  readonly url: string;
  readonly token: string;
  readonly fetch: typeof globalThis.fetch;
  /** From sending a command until its whole reply is there, milliseconds. */
  readonly timeoutMs: number;
}

const isReply = (value: unknown): value is RedisReply =>
  value === null ||
  typeof value === "string" ||
  typeof value === "number" ||
  (Array.isArray(value) && value.every(isReply));

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** The reply in an answer's body. */
const replyOf = (status: number, text: string): RedisReply => {
  const body = parse(text);
  if (typeof body === "object" && body !== null) {
    if ("error" in body && typeof body.error === "string") throw new RedisError(body.error);
    if (status === 200 && "result" in body && isReply(body.result)) return body.result;
  }
  throw new Error(`Redis was answered for with ${status}, and not in its protocol`);
};

export const createRedisClient = ({ url, token, fetch, timeoutMs }: RedisClientOptions): RedisClient => ({
  command: async (...parts) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(parts),
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    return replyOf(response.status, await response.text());
  },
});
