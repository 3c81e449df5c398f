/** The interface of a local Redis, and its implementation over TCP. */
import { Redis } from "ioredis";

/** A command's name and arguments. */
export type RedisCommand = readonly [name: string, ...args: string[]];

/** A reply in RESP2. */
export type RedisReply = string | Buffer | number | null | readonly RedisReply[];

/** An error begins with its code, such as "ERR" or "WRONGTYPE". */
export type RedisAnswer = { readonly result: RedisReply } | { readonly error: string };

export interface RedisClient {
  /** Commands run in the order of the calls. Rejects if the server is unreachable. */
  run(command: RedisCommand): Promise<RedisAnswer>;
}

/** A connection, opened by its first command. Commands fail soon if the server is lost, after 5 s if it is slow. */
export const createRedis = (url: string): Redis =>
  new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 1,
    connectTimeout: 2_000,
    commandTimeout: 5_000,
    retryStrategy: (times) => Math.min(25 * times, 500),
  });

/** @param redis a connection whose state nothing else changes (SELECT, WATCH, …) */
export const redisClient = (redis: Redis): RedisClient => ({
  run: ([name, ...args]) => redis.callBuffer(name, ...args).then(answerOf, errorOf),
});

const answerOf = (reply: unknown): RedisAnswer => ({ result: replyOf(reply) });

/** Errors that are not the server's, such as a lost connection, stay exceptions. */
function errorOf(error: unknown): { readonly error: string } {
  if (error instanceof Error && error.name === "ReplyError") return { error: error.message };
  throw error;
}

/** Undoes the conversions of ioredis and its mock: HGETALL's objects, errors in arrays, numbers for stored text. */
export function replyOf(reply: unknown): RedisReply {
  if (reply === null || reply === undefined || reply === false) return null;
  if (typeof reply === "number" && Number.isInteger(reply)) return reply;
  if (typeof reply === "string" || Buffer.isBuffer(reply)) return reply;
  if (Array.isArray(reply)) return reply.map(replyOf);
  if (reply instanceof Error) return reply.message;
  if (typeof reply === "object") return Object.entries(reply).flat().map(replyOf);
  return String(reply);
}
