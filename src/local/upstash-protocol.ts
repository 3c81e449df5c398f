/** What Upstash's REST protocol says: paths, commands, answers (Upstash, "REST API"). */
import type { RedisAnswer, RedisClient, RedisCommand, RedisReply } from "./redis-client.ts";

/** An answer with a status other than 200; its message is the body's `error`. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What may stand in an answer. */
export type Json = string | number | null | readonly Json[] | { readonly [key: string]: Json };

type Endpoint = (client: RedisClient, body: unknown, encode: Encode) => Promise<Json>;

/** What `POST` to each path does with the parsed body. Throws a Refusal. */
export const endpoints: Readonly<Record<string, Endpoint>> = {
  "/": async (client, body, encode) => {
    const answer = await client.run(parseCommand(body));
    if ("error" in answer) throw new Refusal(400, answer.error);
    return encodeAnswer(answer, encode);
  },
  "/pipeline": async (client, body, encode) => {
    const answers = await Promise.all(parseCommands(body).map((command) => client.run(command)));
    return answers.map((answer) => encodeAnswer(answer, encode));
  },
  "/multi-exec": async (client, body, encode) => {
    const answers = await client.transaction(parseCommands(body));
    if ("error" in answers) throw new Refusal(400, answers.error);
    return answers.map((answer) => encodeAnswer(answer, encode));
  },
};

function parseCommands(body: unknown): readonly RedisCommand[] {
  if (!Array.isArray(body) || body.length === 0) throw new Refusal(400, "ERR empty pipeline request");
  return body.map(parseCommand);
}

function parseCommand(body: unknown): RedisCommand {
  if (!Array.isArray(body)) throw new Refusal(400, "ERR a command must be a JSON array");
  const [name, ...args] = body.map(parseArgument);
  if (name === undefined || name === "") throw new Refusal(400, "ERR empty command");
  if (unavailable.has(name.toUpperCase())) throw new Refusal(400, `ERR Command is not available: '${name}'`);
  return [name, ...args];
}

function parseArgument(value: unknown): string {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return String(value);
  throw new Refusal(400, "ERR an argument must be a string, a number or a boolean");
}

/** Commands that change, hold or end the one connection that all callers share. */
const unavailable: ReadonlySet<string> = new Set([
  ...["AUTH", "CLIENT", "HELLO", "MONITOR", "QUIT", "READONLY", "READWRITE", "RESET", "SELECT"],
  ...["MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"],
  ...["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"],
  ...[
    "BLPOP",
    "BRPOP",
    "BLMOVE",
    "BLMPOP",
    "BRPOPLPUSH",
    "BZPOPMIN",
    "BZPOPMAX",
    "BZMPOP",
    "WAIT",
    "WAITAOF",
  ],
  ...["SHUTDOWN", "DEBUG", "REPLICAOF", "SLAVEOF", "FAILOVER", "SYNC", "PSYNC"],
]);

/** How an answer's strings are written. */
export type Encode = (text: string | Buffer) => string;

export const toText: Encode = (text) => (typeof text === "string" ? text : text.toString("utf8"));

export const toBase64: Encode = (text) =>
  (typeof text === "string" ? Buffer.from(text) : text).toString("base64");

function encodeAnswer(answer: RedisAnswer, encode: Encode): Json {
  if ("error" in answer) return { error: answer.error };
  const isOk = !Array.isArray(answer.result) && String(answer.result) === "OK";
  // "OK" is the one string that Upstash leaves as it is.
  return { result: isOk ? "OK" : encodeReply(answer.result, encode) };
}

function encodeReply(reply: RedisReply, encode: Encode): Json {
  if (reply === null || typeof reply === "number") return reply;
  if (typeof reply === "string" || Buffer.isBuffer(reply)) return encode(reply);
  return reply.map((item) => encodeReply(item, encode));
}
