/**
 * The abuse score of a client. Security events add points, points leak away, and a client that reaches the
 * threshold is blocked; each further block within a day lasts longer. Occasional errors never add up to a
 * block.
 */
import { type Network, networkOf, overlap, parseNetwork } from "../middleware/blocklist/network.ts";
import { parseAddress, UNKNOWN_CLIENT } from "../middleware/context/client.ts";
import { isScreeningRule, SCREENING_RULES } from "../middleware/screening/rules.ts";
import type { AuthFailureReason, SecurityEvent } from "./event.ts";

/** Points. */
const LEAK_PER_SECOND = 1;
export const BLOCK_AT_SCORE = 100;
export const FIRST_BLOCK_MS = 60_000;
/** Duration of a block, as a multiple of the previous one. */
const BLOCK_FACTOR = 4;
export const MAX_BLOCK_MS = 24 * 60 * 60 * 1_000;
/** Time after the end of a block within which the next one is longer. */
export const MEMORY_MS = 24 * 60 * 60 * 1_000;

/** Upper bound per event, whatever its count. */
export const MAX_EVENT_POINTS = 1_000;
/** Upper bound of the block counter, far above the longest block. */
const MAX_BLOCKS = 1_000;

/** Per occurrence: guesses score most, outdated clients least. */
const AUTH_FAILURE_POINTS: Readonly<Record<AuthFailureReason, number>> = {
  unknown_key: 10,
  wrong_secret: 10,
  bad_signature: 10,
  malformed: 5,
  not_yet_valid: 5,
  no_expiry: 5,
  no_subject: 5,
  unsupported_algorithm: 5,
  insufficient_scope: 2,
  missing: 1,
  expired: 1,
  // Their signatures are valid: a misconfigured client, not a guess.
  wrong_audience: 1,
  wrong_issuer: 1,
};

/**
 * The rule of requests rejected by a block. It is no screening rule, so it scores nothing: otherwise a client
 * that retries would be blocked again, for longer each time.
 */
export const BLOCKED_RULE = "blocked_client";

/** Per rejection by a rate limit. They are cheap: only more than twenty per second outpace the leak. */
const LIMITED_POINTS = 0.05;

const occurrencePoints = (event: SecurityEvent): number => {
  switch (event.type) {
    case "auth_failure":
      return AUTH_FAILURE_POINTS[event.reason];
    case "suspicious_activity":
      return isScreeningRule(event.rule) ? SCREENING_RULES[event.rule].points : 0;
    case "rate_limit_exceeded":
      return LIMITED_POINTS;
    case "data_access":
      return 0;
  }
};

/** Points for all occurrences of an event: 0 to `MAX_EVENT_POINTS`, and 0 for an unknown client. */
export const pointsOf = (event: SecurityEvent): number =>
  event.client === UNKNOWN_CLIENT ? 0 : Math.min(MAX_EVENT_POINTS, occurrencePoints(event) * event.count);

/**
 * Never blocked: loopback, and the shared address of other zones' Workers
 * (https://developers.cloudflare.com/fundamentals/reference/http-headers/, "CF-Connecting-IP in Worker
 * subrequests").
 */
const EXEMPT = ["127.0.0.0/8", "::1", "2a06:98c0:3600::/64"].flatMap((text) => parseNetwork(text) ?? []);

/**
 * The network to block for a client's abuse: the IPv4 address, or the /64 of an IPv6 address. Undefined for
 * anything but an address, and for exempt ones.
 */
export const offenderOf = (client: string): Network | undefined => {
  const address = parseAddress(client);
  if (address === undefined) return undefined;
  const network = networkOf(address, address.family === 4 ? 32 : 64);
  return EXEMPT.some((exempt) => overlap(exempt, network)) ? undefined : network;
};

export interface Offender {
  /** Points at `scoredAtMs`: at least 0, less than `BLOCK_AT_SCORE`. */
  readonly score: number;
  /** Epoch milliseconds. */
  readonly scoredAtMs: number;
  /** Consecutive blocks, each begun within `MEMORY_MS` of the previous one's end. */
  readonly blocks: number;
  /** Start of the last block, epoch milliseconds. */
  readonly lastBlockedAtMs: number | null;
}

export interface Judgement {
  readonly offender: Offender;
  /** Duration of the block that begins now; undefined if none does. */
  readonly blockForMs: number | undefined;
}

/** @param number of the block, from 1 */
const blockMs = (number: number): number =>
  Math.min(MAX_BLOCK_MS, FIRST_BLOCK_MS * BLOCK_FACTOR ** Math.max(0, number - 1));

/**
 * The offender's state after further points, and whether a block begins. To lift a block early, delete its
 * offender as well.
 *
 * @param previous undefined for a first offense
 */
export const judgeOffenses = (previous: Offender | undefined, points: number, nowMs: number): Judgement => {
  const first: Offender = { score: 0, scoredAtMs: nowMs, blocks: 0, lastBlockedAtMs: null };
  const before = previous ?? first;
  const blockedAtMs = before.lastBlockedAtMs ?? Number.NEGATIVE_INFINITY;
  const sinceBlockMs = nowMs - blockedAtMs - blockMs(before.blocks);
  // The events of one attack arrive in several batches, but must not cause several blocks.
  if (sinceBlockMs < 0) return { offender: before, blockForMs: undefined };
  const { blocks, lastBlockedAtMs } = sinceBlockMs > MEMORY_MS ? first : before;
  // If the clock was set back, no points leak.
  const leaked = (LEAK_PER_SECOND * Math.max(0, nowMs - before.scoredAtMs)) / 1_000;
  const score = Math.max(0, before.score - leaked) + Math.max(0, points);
  if (score < BLOCK_AT_SCORE)
    return { offender: { score, scoredAtMs: nowMs, blocks, lastBlockedAtMs }, blockForMs: undefined };
  const offender = { ...first, blocks: Math.min(MAX_BLOCKS, blocks + 1), lastBlockedAtMs: nowMs };
  return { offender, blockForMs: blockMs(blocks + 1) };
};
