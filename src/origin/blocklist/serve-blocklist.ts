/** Gives the blocklist to an edge that cannot have it from Redis. */
import { internalHeaders } from "../../contract/internal-headers.ts";
import type { CompiledBlocklist } from "./compiled-blocklist.ts";

/**
 * @param known which version the edge has
 * @returns 204 where that is the present one
 */
export const serveBlocklist = (
  { version, bytes }: CompiledBlocklist,
  known: string | undefined,
  requestId: string,
): Response => {
  const headers = { [internalHeaders.requestId]: requestId, [internalHeaders.blocklistVersion]: version };
  return version === known
    ? new Response(null, { status: 204, headers })
    : new Response(bytes, { headers: { ...headers, "content-type": "application/octet-stream" } });
};
