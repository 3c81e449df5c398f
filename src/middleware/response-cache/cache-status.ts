/** The Cache-Status field (RFC 9211): what a cache has done with a request. */

export interface CacheStatus {
  /** Set if the request was not forwarded. */
  readonly hit?: true;
  /** Why the request was forwarded (§2.2). */
  readonly forward?: "bypass" | "method" | "miss" | "request" | "stale";
  /** The status behind the cache, if it differs from the response's (§2.3). */
  readonly forwardStatus?: number;
  /** The remaining freshness, seconds; negative for a stale response (§2.4). */
  readonly ttlS?: number;
  /** Whether the response was stored (§2.5). */
  readonly stored?: boolean;
  /** Whether another request's response was used (§2.6). */
  readonly collapsed?: boolean;
  readonly detail?: "stale-while-revalidate" | "stale-if-error";
}

/** @param cache its name, a token */
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
