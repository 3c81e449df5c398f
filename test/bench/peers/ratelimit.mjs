// @upstash/ratelimit with each of its algorithms, for one isolate.
import { Ratelimit } from "@upstash/ratelimit";
import { Redis } from "@upstash/redis";

/** A tenth of the tokens each tenth of the window: the finer the refill, the fewer false rejections. */
const refillPart = 1 / 10;

const limiters = {
  fixedWindow: ({ tokens, windowMs }) => Ratelimit.fixedWindow(tokens, `${windowMs} ms`),
  slidingWindow: ({ tokens, windowMs }) => Ratelimit.slidingWindow(tokens, `${windowMs} ms`),
  tokenBucket: ({ tokens, windowMs }) =>
    Ratelimit.tokenBucket(tokens * refillPart, `${Math.round(windowMs * refillPart)} ms`, tokens),
  cachedFixedWindow: ({ tokens, windowMs }) => Ratelimit.cachedFixedWindow(tokens, `${windowMs} ms`),
};

export const algorithms = Object.keys(limiters);

export const createRatelimit = ({ algorithm, url, token, prefix, ...rule }) => {
  const ratelimit = new Ratelimit({
    redis: new Redis({ url, token }),
    limiter: limiters[algorithm](rule),
    prefix,
    ephemeralCache: new Map(),
    analytics: false,
    enableProtection: false,
  });
  return (identifier) => ratelimit.limit(identifier);
};
