/** The Cache-Status field (RFC 9211): what a cache has done with a request. */

export interface CacheStatus {
  /** Whether the answer came from the cache, without going on. Either this or `forward` is said. */
  readonly hit?: true;
  /** Why the request went on (§2.2). */
  readonly forward?: "bypass" | "method" | "miss" | "request" | "stale";
  /** What was answered behind the cache, where that is not what it answers itself (§2.3). */
  readonly forwardStatus?: number;
  /** How long the answer is still fresh, seconds; below 0, for how long it has been stale (§2.4). */
  readonly ttlS?: number;
  /** Whether the answer was kept (§2.5). */
  readonly stored?: boolean;
  /** Whether another request's answer was waited for and used (§2.6). */
  readonly collapsed?: boolean;
  readonly detail?: "stale-while-revalidate" | "stale-if-error";
}

/** @param cache the cache's name, a token */
export const writeCacheStatus = (cache: string, status: CacheStatus): string => {
  const { hit, forward, forwardStatus, ttlS, stored, collapsed, detail } = status;
  let text = cache;
  if (hit) text += "; hit";
  if (forward !== undefined) text += `; fwd=${forward}`;
  if (forwardStatus !== undefined) text += `; fwd-status=${forwardStatus}`;
  if (ttlS !== undefined) text += `; ttl=${ttlS}`;
  if (stored) text += "; stored";
  if (collapsed) text += "; collapsed";
  if (detail !== undefined) text += `; detail=${detail}`;
  return text;
};
