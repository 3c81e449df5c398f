/**
 * Redis by Upstash's REST protocol (https://upstash.com/docs/redis/features/restapi): a command is a JSON array, its
 * reply stands in the answer's `result`. `@upstash/redis`, which the origin uses, holds every command that there is,
 * and was two fifths of the worker.
 */
import { readBody } from "../core/http/read-body.ts";

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

const UNREAD = {
  too_large: `is longer than ${MOST_BYTES} bytes`,
  timed_out: "was not whole in time",
  broken: "broke off",
} as const;

const textOf = async (response: Response, signal: AbortSignal): Promise<string> => {
  const reading = await readBody(response.body?.getReader() ?? null, MOST_BYTES, signal);
  if (reading.kind !== "read") throw new Error(`Redis's answer ${UNREAD[reading.kind]}`);
  return new TextDecoder().decode(reading.bytes);
};

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
    // Not AbortSignal.timeout: what listens to it is a burden to workerd's garbage collection for as long as it lives.
    const ending = new AbortController();
    const timer = setTimeout(
      () => ending.abort(new Error(`Redis did not answer in time: ${timeoutMs} ms`)),
      timeoutMs,
    );
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(parts),
        redirect: "manual",
        signal: ending.signal,
      });
      return replyOf(response.status, await textOf(response, ending.signal));
    } finally {
      clearTimeout(timer);
    }
  },
});
