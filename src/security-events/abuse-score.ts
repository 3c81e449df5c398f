/**
 * Offences: what a client's security events add up to. They score, the score leaks away, and who scores enough in a short
 * time is blocked, each time within a day for longer. Who errs now and then never gets there.
 */

import { type Network, networkOf, overlap, parseNetwork } from "../middleware/blocklist/network.ts";
import { UNKNOWN_CLIENT } from "../middleware/context/client.ts";
import { parseAddress } from "../middleware/context/client-address.ts";
import type { ScreeningRule } from "../middleware/screening/rules.ts";
import type { AuthFailureReason, SecurityEvent } from "./event.ts";

/** Points. */
export const LEAK_PER_SECOND = 1;
/** Points. */
export const BLOCK_AT_SCORE = 100;
export const FIRST_BLOCK_MS = 60_000;
/** A block is so many times as long as the last one. */
export const BLOCK_FACTOR = 4;
export const LONGEST_BLOCK_MS = 24 * 60 * 60 * 1_000;
/** A block is remembered for so long after its end. */
export const MEMORY_MS = 24 * 60 * 60 * 1_000;

/** One event scores no more, whatever it counts. */
export const MAX_EVENT_POINTS = 1_000;
/** Blocks are counted up to here; the longest comes long before. */
const MAX_BLOCKS = 1_000;

/** Guesses score most; what a client that is merely out of date does scores least. */
const AUTH_FAILURE_POINTS: Readonly<Partial<Record<AuthFailureReason, number>>> = {
  unknown_key: 10,
  wrong_secret: 10,
  bad_signature: 10,
  insufficient_scope: 2,
  missing: 1,
  expired: 1,
};
const OTHER_AUTH_FAILURE_POINTS = 5;

/** What nobody sends by mistake. */
const ATTACKS = ["path_traversal", "control_characters", "scanner_path"] satisfies ScreeningRule[];
const ATTACK_POINTS = 20;
const OTHER_SUSPICION_POINTS = 10;

/**
 * Of a request that was refused for its client's block. It scores nothing: who only asks again whether the block has ended
 * would else be blocked again for having asked, for longer each time.
 */
export const BLOCKED_RULE = "blocked_client";

const pointsOfRule = (rule: string): number => {
  if (rule === BLOCKED_RULE) return 0;
  return ATTACKS.some((attack) => attack === rule) ? ATTACK_POINTS : OTHER_SUSPICION_POINTS;
};

/** Refusing it costs nearly nothing: only who goes on at twenty a second scores more than leaks away. */
const LIMITED_POINTS = 0.05;

/** Of one occurrence. */
const pointsOfKind = (event: SecurityEvent): number => {
  switch (event.type) {
    case "auth_failure":
      return AUTH_FAILURE_POINTS[event.reason] ?? OTHER_AUTH_FAILURE_POINTS;
    case "suspicious_activity":
      return pointsOfRule(event.rule);
    case "rate_limit_exceeded":
      return LIMITED_POINTS;
    case "data_access":
      return 0;
  }
};

/** Points for all that an event counts: 0 to `MAX_EVENT_POINTS`. Nobody scores for what a client did that is not known. */
export const pointsOf = (event: SecurityEvent): number =>
  event.client === UNKNOWN_CLIENT ? 0 : Math.min(MAX_EVENT_POINTS, pointsOfKind(event) * event.count);

/**
 * This machine, and the address that requests of all Workers of all other zones share
 * (https://developers.cloudflare.com/fundamentals/reference/http-headers/, "CF-Connecting-IP in Worker subrequests").
 */
const NOBODYS = ["127.0.0.0/8", "::1", "2a06:98c0:3600::/64"].flatMap((text) => parseNetwork(text) ?? []);

/** Of an IPv6 address, bits: within it a client takes any address it likes. */
const IPV6_LENGTH = 64;

/**
 * Who is blocked for what a client does: an IPv4 address itself, an IPv6 address's /64. Undefined where nobody can be:
 * for what is no address, and where it would be this machine, or many others.
 */
export const offenderOf = (client: string): Network | undefined => {
  const address = parseAddress(client);
  if (address === undefined) return undefined;
  const network = address.family === 4 ? networkOf(address) : networkOf(address, IPV6_LENGTH);
  return NOBODYS.some((nobodys) => overlap(nobodys, network)) ? undefined : network;
};

/** What is known of one that has offended. */
export interface Offender {
  /** Points at `scoredAtMs`: at least 0, less than `BLOCK_AT_SCORE`. */
  readonly score: number;
  /** Epoch milliseconds. */
  readonly scoredAtMs: number;
  /** Blocks one after another, none of them forgotten when the next one began. */
  readonly blocks: number;
  /** When the last of them began, epoch milliseconds. */
  readonly lastBlockedAtMs: number | null;
}

export interface Judgement {
  readonly offender: Offender;
  /** Undefined: no block begins. */
  readonly blockForMs: number | undefined;
}

/** Of the block of this number, from 1. */
const blockMs = (number: number): number =>
  Math.min(LONGEST_BLOCK_MS, FIRST_BLOCK_MS * BLOCK_FACTOR ** Math.max(0, number - 1));

const unknown = (nowMs: number): Offender => ({
  score: 0,
  scoredAtMs: nowMs,
  blocks: 0,
  lastBlockedAtMs: null,
});

/** Milliseconds since the last block ended: negative while it stands, infinite where there is none. */
const sinceBlockMs = ({ blocks, lastBlockedAtMs }: Offender, nowMs: number): number =>
  lastBlockedAtMs === null ? Number.POSITIVE_INFINITY : nowMs - lastBlockedAtMs - blockMs(blocks);

/** Where the clock was set back nothing leaks. */
const scoreAt = ({ score, scoredAtMs }: Offender, nowMs: number): number =>
  Math.max(0, score - (LEAK_PER_SECOND * Math.max(0, nowMs - scoredAtMs)) / 1_000);

const blocked = (blocks: number, nowMs: number): Judgement => ({
  offender: {
    score: 0,
    scoredAtMs: nowMs,
    blocks: Math.min(MAX_BLOCKS, blocks + 1),
    lastBlockedAtMs: nowMs,
  },
  blockForMs: blockMs(blocks + 1),
});

/**
 * What is known of an offender after further points, and whether a block begins.
 *
 * While a block stands points count for nothing: they are of what was done before it was known everywhere, and one attack
 * whose events come in several batches must not make several blocks. So whoever lifts a block early forgets its offender.
 *
 * @param known undefined for one that has not offended yet
 */
export const judgeOffences = (known: Offender | undefined, points: number, nowMs: number): Judgement => {
  const before = known ?? unknown(nowMs);
  const sinceMs = sinceBlockMs(before, nowMs);
  if (sinceMs < 0) return { offender: before, blockForMs: undefined };
  const { blocks, lastBlockedAtMs } = sinceMs > MEMORY_MS ? unknown(nowMs) : before;
  const score = scoreAt(before, nowMs) + Math.max(0, points);
  return score >= BLOCK_AT_SCORE
    ? blocked(blocks, nowMs)
    : { offender: { score, scoredAtMs: nowMs, blocks, lastBlockedAtMs }, blockForMs: undefined };
};
