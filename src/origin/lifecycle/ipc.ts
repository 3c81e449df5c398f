/** Calls between the primary and a worker, over the message channel of Node's cluster. */
import * as z from "zod/mini";
import { withTimeout } from "../../lib/async.ts";

const message = z.discriminatedUnion("kind", [
  /** Without an id no response is expected. */
  z.object({
    kind: z.literal("request"),
    id: z.optional(z.number()),
    method: z.string(),
    argument: z.optional(z.unknown()),
  }),
  z.object({ kind: z.literal("response"), id: z.number(), value: z.optional(z.unknown()) }),
]);

export type IpcMessage = z.output<typeof message>;

export type Ipc = ReturnType<typeof createIpc>;

/**
 * One end of a channel.
 *
 * @param methods what the other end may call, by name; each validates its argument
 */
export const createIpc = (
  send: (message: IpcMessage) => void,
  methods: Readonly<Record<string, (argument: unknown) => unknown>>,
) => {
  const pending = new Map<number, (value: unknown) => void>();
  let lastId = 0;
  const respond = async (id: number | undefined, method: string, argument: unknown): Promise<void> => {
    const value = await methods[method]?.(argument);
    if (id !== undefined) send({ kind: "response", id, value });
  };
  return {
    /** Handles a message from the other end. Messages of other modules are ignored. */
    receive: (raw: unknown): void => {
      const { data } = message.safeParse(raw);
      if (data?.kind === "response") pending.get(data.id)?.(data.value);
      // The caller's timeout covers a failed call.
      if (data?.kind === "request") respond(data.id, data.method, data.argument).catch(() => undefined);
    },
    notify: (method: string, argument?: unknown): void => send({ kind: "request", method, argument }),
    /** @returns the response; undefined if none comes in time */
    call: async (method: string, argument: unknown, timeoutMs: number): Promise<unknown> => {
      lastId += 1;
      const id = lastId;
      const { promise, resolve } = Promise.withResolvers<unknown>();
      pending.set(id, resolve);
      send({ kind: "request", id, method, argument });
      const response = await withTimeout(promise, timeoutMs, { fallback: undefined });
      pending.delete(id);
      return response;
    },
  };
};
