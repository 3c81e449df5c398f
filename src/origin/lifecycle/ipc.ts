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

/** A worker's `process`, or the primary's object for that process. */
interface Channel {
  readonly connected: boolean;
  send?(message: unknown, handle: undefined, options: undefined, onSent: () => void): boolean;
  on(event: "message", listener: (message: unknown) => void): unknown;
}

/** @returns the response; undefined if none comes in time */
export type Call = (method: string, argument: unknown, timeoutMs: number) => Promise<unknown>;

/** @param methods what the other end may call, by name; each validates its argument */
export const createIpc = (
  channel: Channel,
  methods: Readonly<Record<string, (argument: unknown) => unknown>>,
): Call => {
  const pending = new Map<number, (value: unknown) => void>();
  let lastId = 0;
  const send = (sent: z.output<typeof message>): void => {
    if (channel.connected) channel.send?.(sent, undefined, undefined, () => undefined);
  };
  channel.on("message", async (raw) => {
    const { data } = message.safeParse(raw);
    if (data === undefined) return;
    const { id, method, value } = data;
    if (method === undefined) return pending.get(id)?.(value);
    try {
      send({ id, value: await methods[method]?.(value) });
    } catch {
      // The caller's timeout covers a failed call.
    }
  });
  return async (method, value, timeoutMs) => {
    lastId += 1;
    const id = lastId;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    pending.set(id, resolve);
    send({ id, method, value });
    const response = await withTimeout(promise, timeoutMs, { fallback: undefined });
    pending.delete(id);
    return response;
  };
};
