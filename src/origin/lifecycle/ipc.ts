/** Calls between the primary and a worker, over the message channel of Node's cluster. */
import * as z from "zod/mini";
import { withTimeout } from "../../lib/async.ts";

const message = z.object({
  /** Of a request and its response. */
  id: z.number(),
  /** What a request calls; a response has none. */
  method: z.optional(z.string()),
  /** The argument, or the result. */
  value: z.optional(z.unknown()),
});

type IpcMessage = z.output<typeof message>;

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
  return {
    /** Handles a message from the other end. Messages of other modules are ignored. */
    receive: async (raw: unknown): Promise<void> => {
      const { data } = message.safeParse(raw);
      if (data === undefined) return;
      const { id, method, value } = data;
      if (method === undefined) return pending.get(id)?.(value);
      try {
        send({ id, value: await methods[method]?.(value) });
      } catch {
        // The caller's timeout covers a failed call.
      }
    },
    /** @returns the response; undefined if none comes in time */
    call: async (method: string, value: unknown, timeoutMs: number): Promise<unknown> => {
      lastId += 1;
      const id = lastId;
      const { promise, resolve } = Promise.withResolvers<unknown>();
      pending.set(id, resolve);
      send({ id, method, value });
      const response = await withTimeout(promise, timeoutMs, { fallback: undefined });
      pending.delete(id);
      return response;
    },
  };
};
