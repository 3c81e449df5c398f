/** A small SIEM: the receiver of the origins' webhook, which keeps the newest security events. */
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import * as z from "zod/mini";
import { type LocalServer, serveLocally } from "../http-server.ts";
import type { SecurityEventView } from "../page/state.ts";

export interface LocalSiem extends LocalServer {
  /** The newest first. */
  readonly newest: readonly SecurityEventView[];
}

const MAX_EVENTS = 20;
/** Of those of reads and writes that were allowed, which are many under load. */
const MAX_ACCESSES = 5;
const MAX_BODY_BYTES = 4 * 1024 * 1024;

const text = z._default(z.string(), "");
const events = z.array(
  z.object({
    ...{ type: z.string(), lastAtMs: z.number(), count: z.number() },
    client: z._default(z.nullable(z.string()), ""),
    ...{ reason: text, rule: text, details: text, resource: text, action: text },
    limits: z._default(z.array(z.string()), []),
  }),
);

/** A free port of 127.0.0.1. */
export const startSiem = async (): Promise<LocalSiem> => {
  const newest: SecurityEventView[] = [];
  const app = new Hono();
  app.get("/", (c) => c.json({ events: newest }));
  app.post("/", bodyLimit({ maxSize: MAX_BODY_BYTES }), async (c) => {
    const batch = events.safeParse(await c.req.json().catch(() => undefined));
    if (!batch.success) return c.json({ message: z.prettifyError(batch.error) }, 400);
    for (const { type, lastAtMs, client, count, ...own } of batch.data) {
      const { reason, rule, details, action, resource, limits } = own;
      const message = [reason, rule, details, action, resource, ...limits].filter(Boolean).join(" ");
      newest.unshift({ time: new Date(lastAtMs).toISOString(), type, message, client: client ?? "", count });
    }
    let accesses = 0;
    const kept = newest
      .toSorted((one, other) => (one.time < other.time ? 1 : -1))
      .filter(({ type }) => {
        if (type === "data_access") accesses += 1;
        return type !== "data_access" || accesses <= MAX_ACCESSES;
      });
    newest.splice(0, newest.length, ...kept.slice(0, MAX_EVENTS));
    return c.body(null, 204);
  });
  return { ...(await serveLocally(app.fetch)), newest };
};
