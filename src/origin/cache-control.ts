import type { Policy } from "../contract/policy.ts";

/**
 * The Cache-Control field that tells a route's cache policy (RFC 9111 §5.2.2, RFC 5861).
 *
 * @param defaultFreshS where the policy names no freshness, seconds
 */
export const cacheControl = ({ auth, cache }: Policy, defaultFreshS: number): string => {
  if (cache === undefined) return "no-store";
  const { freshS = defaultFreshS, staleWhileRevalidateS, staleIfErrorS } = cache;
  return [
    // What one principal may see is never kept for another (§3.5).
    auth === "public" ? "public" : "private",
    `max-age=${freshS}`,
    ...(staleWhileRevalidateS === undefined ? [] : [`stale-while-revalidate=${staleWhileRevalidateS}`]),
    ...(staleIfErrorS === undefined ? [] : [`stale-if-error=${staleIfErrorS}`]),
  ].join(", ");
};
