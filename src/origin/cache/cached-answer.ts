/** An answer as it is kept: whole, and as text, so that it is sent the same each time. */
import type { CacheWindows } from "../../middleware/response-cache/freshness.ts";
import type { Answer } from "../http/response.ts";

export interface CachedAnswer {
  readonly status: number;
  readonly content: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  readonly generatedAtMs: number;
  readonly windows: CacheWindows;
  readonly tags: readonly string[];
}

/** An answer that is larger is not kept, UTF-16 units. */
const MAX_LENGTH = 512 * 1024;
/** What is written for one client, or forbids it, is not kept for another. */
const FORBIDDEN = ["set-cookie", "cache-control", "vary", "www-authenticate"];

/** What of an answer is kept; undefined for one that may not be. */
export const keptPart = (
  answer: Answer,
): Pick<CachedAnswer, "status" | "content" | "headers"> | undefined => {
  const { status, body, json, text, headers = {} } = answer;
  if (status !== 200) return undefined;
  if (Object.keys(headers).some((name) => FORBIDDEN.includes(name.toLowerCase()))) return undefined;
  const content = text ?? json ?? JSON.stringify(body);
  if (content === undefined || content.length > MAX_LENGTH) return undefined;
  const type = text === undefined ? "application/json" : "text/plain; charset=utf-8";
  return { status, content, headers: { "content-type": type, ...headers } };
};

/** The kept answer as a handler would have given it. */
export const answerOf = ({ status, content, headers }: CachedAnswer): Answer => ({
  status,
  text: content,
  headers,
});

/** What it takes of memory, roughly, bytes: V8 keeps text in one or two bytes a unit. */
export const sizeOf = ({ content, headers, tags }: CachedAnswer): number =>
  2 * content.length + 2 * JSON.stringify([headers, tags]).length + 200;
