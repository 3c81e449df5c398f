/**
 * Redis by Upstash's REST protocol (https://upstash.com/docs/redis/features/restapi): a command is a JSON array, its
 * reply stands in the answer's `result`. `@upstash/redis`, which the origin uses, holds every command that there is,
 * and was two fifths of the worker.
 */
import { fetchText } from "./fetch-text.ts";

export type RedisReply = string | number | null | readonly RedisReply[];

export interface RedisClient {
  /**
   * Sends one command, once.
   *
   * @throws RedisError for what Redis itself refuses; any other error where it could not be heard in time
   */
  command(...parts: readonly (string | number)[]): Promise<RedisReply>;
}

/** What Redis says of a command that it refuses, such as `NOSCRIPT …`: Redis is there, the command is wrong. */
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

/** Of an answer no more is read, bytes: far more than anything that the edge asks for. */
const MOST_BYTES = 1_048_576;

/** What a header takes, which drops line ends behind it; `fetch` may say of any other token what it is. */
const SENDABLE = /^[\x20-\x7e]+[\r\n]*$/;

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

/**
 * The reply in an answer's body. What Redis refuses has the status 400; with any other one whoever stands before it
 * speaks.
 */
const replyOf = (status: number, text: string): RedisReply => {
  const body = parse(text);
  if (typeof body === "object" && body !== null) {
    if (status === 200 && "result" in body && isReply(body.result)) return body.result;
    if ("error" in body && typeof body.error === "string") {
      throw status === 400
        ? new RedisError(body.error)
        : new Error(`Redis was not asked: ${status}, ${body.error}`);
    }
  }
  throw new Error(`Redis was answered for with ${status}, and not in its protocol`);
};

export const createRedisClient = ({ url, token, fetch, timeoutMs }: RedisClientOptions): RedisClient => ({
  command: async (...parts) => {
    if (!SENDABLE.test(token)) throw new Error("Redis's token has characters that no header takes");
    const init = {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(parts),
    };
    const answer = await fetchText(url, init, { whose: "Redis", fetch, timeoutMs, maxBytes: MOST_BYTES });
    return replyOf(answer.status, answer.text);
  },
});
