import type { Cache } from "../contract/policy.ts";

/** The Cache-Control field that tells a route's cache policy (RFC 9111 §5.2.2, RFC 5861). */
export const cacheControl = (cache: Cache | undefined): string => {
  if (cache === undefined) return "no-store";
  const { freshS, staleWhileRevalidateS, staleIfErrorS } = cache;
  return [
    "public",
    `max-age=${freshS}`,
    ...(staleWhileRevalidateS === undefined ? [] : [`stale-while-revalidate=${staleWhileRevalidateS}`]),
    ...(staleIfErrorS === undefined ? [] : [`stale-if-error=${staleIfErrorS}`]),
  ].join(", ");
};
