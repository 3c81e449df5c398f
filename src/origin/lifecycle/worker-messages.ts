/** What the primary process and its workers say to each other. */
import * as z from "zod/mini";

const question = z.enum(["report", "metrics"]);
export type Question = z.output<typeof question>;

const toWorker = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("ask"), id: z.number(), question }),
  /** Another worker has written; to be answered when nothing older is served any more. */
  z.object({ kind: z.literal("invalidate"), id: z.number(), tags: z.array(z.string()) }),
  /** Every other worker knows of a write of this one's. */
  z.object({ kind: z.literal("invalidated"), id: z.number() }),
  z.object({ kind: z.literal("drain") }),
]);
export type ToWorker = z.output<typeof toWorker>;

const toPrimary = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("listening"), port: z.number() }),
  z.object({ kind: z.literal("ready") }),
  z.object({ kind: z.literal("answer"), id: z.number(), value: z.unknown() }),
  /** What a write has made old, for the other workers. */
  z.object({ kind: z.literal("invalidate"), id: z.number(), tags: z.array(z.string()) }),
]);
export type ToPrimary = z.output<typeof toPrimary>;

/** Undefined for what is not ours: other modules use the channel too. */
export const readToWorker = (message: unknown): ToWorker | undefined => toWorker.safeParse(message).data;
export const readToPrimary = (message: unknown): ToPrimary | undefined => toPrimary.safeParse(message).data;
