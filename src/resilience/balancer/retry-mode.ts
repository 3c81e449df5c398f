/** Whether a request may be sent more than once: by its method (RFC 9110 §9.2) and its route's policy. */
import type { Retry } from "../../contract/policy.ts";

export type Repetition =
  /** It changes nothing: several may be under way at a time. */
  | "race"
  /** Done twice it is as if it was done once, but one after another. */
  | "again"
  /** Only where it is known that nothing was done. */
  | "never";

const SAFE: readonly string[] = ["GET", "HEAD", "OPTIONS"];
const IDEMPOTENT: readonly string[] = ["PUT", "DELETE"];

export const repetitionOf = (method: string, retry: Retry | undefined, hasKey: boolean): Repetition => {
  if (SAFE.includes(method)) return retry === "never" ? "never" : "race";
  if (IDEMPOTENT.includes(method)) return retry === "idempotent" ? "again" : "never";
  return retry === "with-key" && hasKey ? "again" : "never";
};
