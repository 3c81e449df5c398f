/** What the local system asks of a Redis, whichever it is. */
import type { Redis } from "ioredis";

/** A command's name and its arguments. */
export type RedisCommand = readonly [name: string, ...args: string[]];

/** A reply as RESP2 has it. */
export type RedisReply = string | Buffer | number | null | readonly RedisReply[];

/** What the server answered to a command; an error begins with its code, such as "ERR" or "WRONGTYPE". */
export type RedisAnswer = { readonly result: RedisReply } | { readonly error: string };

export interface RedisClient {
  /** Commands run in the order of the calls. Rejects when the server cannot be reached. */
  run(command: RedisCommand): Promise<RedisAnswer>;
  /**
   * Runs the commands as one (MULTI, EXEC): nothing of another caller comes between. Answers one error instead
   * when the server refused the whole. Rejects when the server cannot be reached.
   */
  transaction(
    commands: readonly RedisCommand[],
  ): Promise<readonly RedisAnswer[] | { readonly error: string }>;
}

/** @param redis of which nothing else may change the state (SELECT, WATCH, …) */
export const redisClient = (redis: Redis): RedisClient => ({
  run: ([name, ...args]) => redis.callBuffer(name, ...args).then(answerOf, errorOf),
  async transaction(commands) {
    const multi = redis.multi();
    for (const [name, ...args] of commands) multi.callBuffer(name, ...args);
    const answers = await multi.exec().catch(errorOf);
    if (answers === null) return { error: "EXECABORT Transaction discarded" };
    if (!Array.isArray(answers)) return answers;
    return answers.map(([error, reply]) => (error === null ? answerOf(reply) : errorOf(error)));
  },
});

const answerOf = (reply: unknown): RedisAnswer => ({ result: replyOf(reply) });

/** What is not the server's own word (a lost connection, a timeout) stays an exception. */
function errorOf(error: unknown): { readonly error: string } {
  if (error instanceof Error && error.name === "ReplyError") return { error: error.message };
  throw error;
}

/** Undoes what ioredis and its mock make of RESP2: HGETALL's objects, errors in arrays, numbers where text was stored. */
export function replyOf(reply: unknown): RedisReply {
  if (reply === null || reply === undefined || reply === false) return null;
  if (typeof reply === "number" && Number.isInteger(reply)) return reply;
  if (typeof reply === "string" || Buffer.isBuffer(reply)) return reply;
  if (Array.isArray(reply)) return reply.map(replyOf);
  if (reply instanceof Error) return reply.message;
  if (typeof reply === "object") return Object.entries(reply).flat().map(replyOf);
  return String(reply);
}
