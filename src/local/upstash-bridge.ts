/** Upstash's REST protocol (Upstash, "REST API") for the local Redis: production code runs unchanged. */
import { type Context, Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import * as z from "zod/mini";
import { type LocalServer, serveLocally } from "./http-server.ts";
import type { RedisAnswer, RedisClient, RedisReply } from "./redis.ts";

const MAX_BODY_BYTES = 10 * 1024 * 1024;

export interface UpstashBridge extends LocalServer {
  /** The bearer token that callers must send. */
  readonly token: string;
}

/**
 * Serves `POST /` (a command) and `POST /pipeline` (a list of commands) on 127.0.0.1. All callers share one
 * connection, so none may block or change it. `stop` leaves the client connected.
 *
 * Responds 400 to errors of the server and of the protocol, 401 to another token, 413 to a body over 10 MiB,
 * 503 if the server is unreachable.
 */
export const startUpstashBridge = async ({
  client,
  token,
}: {
  readonly client: RedisClient;
  readonly token: string;
}): Promise<UpstashBridge> => ({ ...(await serveLocally(createApp(client, token).fetch)), token });

const createApp = (client: RedisClient, token: string): Hono => {
  const app = new Hono();
  const message = { error: "Unauthorized" };
  app.use(bearerAuth({ token, noAuthenticationHeader: { message }, invalidToken: { message } }));
  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES, onError: () => reject("max request size exceeded", 413) }));

  app.post("/", async (c) => {
    const answer = await client.run(await readBody(c, command));
    return "error" in answer ? c.json(answer, 400) : c.json(encodeAnswer(c, answer));
  });
  app.post("/pipeline", async (c) => {
    const commands = await readBody(c, z.array(command));
    const answers = await Promise.all(commands.map((each) => client.run(each)));
    return c.json(answers.map((answer) => encodeAnswer(c, answer)));
  });
  app.notFound((c) => c.json({ error: `ERR no such endpoint: ${c.req.method} ${c.req.path}` }, 404));
  app.onError((error, c) =>
    error instanceof HTTPException
      ? (error.res ?? c.json({ error: error.message }, error.status))
      : c.json({ error: `ERR Redis does not answer: ${error.message}` }, 503),
  );
  return app;
};

const reject = (reason: string, status: 400 | 413): never => {
  throw new HTTPException(status, { message: `ERR ${reason}` });
};

const argument = z.pipe(z.union([z.string(), z.number(), z.boolean()]), z.transform(String));
const command = z.tuple([z.string()], argument);

const readBody = async <T extends z.ZodMiniType>(c: Context, schema: T): Promise<z.output<T>> => {
  const result = schema.safeParse(await c.req.json().catch(() => undefined));
  return result.success ? result.data : reject(`invalid request: ${result.error.issues[0]?.message}`, 400);
};

type Json = string | number | null | readonly Json[] | { readonly [key: string]: Json };

const encodeAnswer = (c: Context, answer: RedisAnswer): Json => {
  if ("error" in answer) return answer;
  const isBase64 = c.req.header("upstash-encoding") === "base64";
  const encode = (reply: RedisReply): Json => {
    if (reply === null || typeof reply === "number") return reply;
    if (typeof reply !== "string" && !Buffer.isBuffer(reply)) return reply.map(encode);
    return Buffer.from(reply).toString(isBase64 ? "base64" : "utf8");
  };
  // Upstash does not encode "OK".
  const isOk = !Array.isArray(answer.result) && String(answer.result) === "OK";
  return { result: isOk ? "OK" : encode(answer.result) };
};
