/** A request's target as it was sent. Hono's `c.req.path` is decoded; signatures, cache keys and screening need the raw one. */
export interface RawTarget {
  /** Such as `https://api.example.com`. */
  readonly origin: string;
  readonly path: string;
  /** With its leading `?`; empty if there is none. A bare question mark counts as none. */
  readonly query: string;
}

/** @param url absolute. It is not parsed: that costs more, and would normalize what was signed. */
export const rawTarget = (url: string): RawTarget => {
  const pathAt = url.indexOf("/", url.indexOf("://") + 3);
  if (pathAt < 0) return { origin: url, path: "/", query: "" };
  const queryAt = url.indexOf("?", pathAt);
  return {
    origin: url.slice(0, pathAt),
    path: queryAt < 0 ? url.slice(pathAt) : url.slice(pathAt, queryAt),
    query: queryAt < 0 || queryAt === url.length - 1 ? "" : url.slice(queryAt),
  };
};
