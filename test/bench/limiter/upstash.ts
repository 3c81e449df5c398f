/** The opponent, with each of its algorithms. */
import type { Algorithm, RatelimitAnswer } from "../peers/ratelimit.mjs";
import type { Contestant, IsolateSetup, Said } from "./contestant.ts";
import type { Rule } from "./rule.ts";
import { createWork } from "./work.ts";

type Peer = typeof import("../peers/ratelimit.mjs");

const said = ({ success, reason }: RatelimitAnswer): Said => {
  const mode = reason === "timeout" ? "open" : reason === "cacheBlock" ? "remembered" : "store";
  return { isAdmitted: success, mode };
};

/** A window says N; a bucket may be full and gets as many back meanwhile. */
const promised = (algorithm: Algorithm, { tokens }: Rule): number =>
  algorithm === "tokenBucket" ? 2 * tokens : tokens;

const contestant = (peer: Peer, algorithm: Algorithm): Contestant => ({
  id: algorithm,
  title: algorithm,
  isOurs: false,
  oracle: algorithm === "tokenBucket" ? "bucket" : "window",
  promised: (rule) => promised(algorithm, rule),
  open: ({ url, token, keyPrefix, rule }: IsolateSetup) => {
    const limit = peer.createRatelimit({ algorithm, url, token, prefix: keyPrefix, ...rule });
    const work = createWork();
    return {
      ask: async (key, cost) => {
        const answer = await limit(key, cost);
        work.add(answer.pending);
        return said(answer);
      },
      settled: work.settled,
    };
  },
});

export const upstash = (peer: Peer): Contestant[] =>
  peer.algorithms.map((algorithm) => contestant(peer, algorithm));
