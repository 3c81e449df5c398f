/** @upstash/ratelimit, with each of its algorithms. */
import type { Algorithm } from "../peers/ratelimit.mjs";
import { type Contestant, createBackgroundWork } from "./contestant.ts";

type Peer = typeof import("../peers/ratelimit.mjs");

const contestant = (peer: Peer, algorithm: Algorithm): Contestant => ({
  id: algorithm,
  title: algorithm,
  isOurs: false,
  oracle: algorithm === "tokenBucket" ? "bucket" : "window",
  // A bucket may be full at first, and is refilled once within the window.
  promised: ({ tokens }) => (algorithm === "tokenBucket" ? 2 * tokens : tokens),
  open: ({ url, token, keyPrefix, rule }) => {
    const limit = peer.createRatelimit({ algorithm, url, token, prefix: keyPrefix, ...rule });
    const work = createBackgroundWork();
    return {
      ask: async (key) => {
        const { success, pending, reason } = await limit(key);
        work.add(pending);
        const mode = reason === "timeout" ? "open" : reason === "cacheBlock" ? "remembered" : "store";
        return { isAdmitted: success, mode };
      },
      settled: work.settled,
    };
  },
});

export const upstash = (peer: Peer): Contestant[] =>
  peer.algorithms.map((algorithm) => contestant(peer, algorithm));
