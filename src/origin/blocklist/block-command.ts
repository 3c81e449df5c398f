/** `block …` and `unblock …`: clients that the edge refuses, from the command line. */
import { parseArgs } from "node:util";
import type { Network } from "../../middleware/blocklist/network.ts";
import { writeCidr } from "../../middleware/blocklist/network.ts";
import { MAX_ENTRIES } from "../../middleware/blocklist/published-blocklist.ts";
import type { PlaceContext } from "../commands/at-place.ts";
import { runWords, UsageError } from "../commands/subcommand.ts";
import { publishChange } from "../snapshots/publisher.ts";
import { type Block, listBlocks, removeBlock, setBlock, widerBlocks } from "./block-store.ts";
import { publishBlocklist } from "./publish-blocklist.ts";
import { readBlockable } from "./read-block.ts";

/** @param call how the command is called: `npm run block --` */
export const blockUsage = (call: string): string =>
  `usage: ${call} ADDRESS|RANGE --reason TEXT [--for 1h]
       ${call} list`;

export const unblockUsage = (call: string): string => `usage: ${call} ADDRESS|RANGE`;

const UNITS_S = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;
const LONGEST_S = 31_536_000;
const MAX_REASON_LENGTH = 200;
const LISTED = 1_000;

const isUnit = (text: string): text is keyof typeof UNITS_S => text in UNITS_S;

/** Null for ever. */
const readDuration = (text: string | undefined): number | null => {
  if (text === undefined) return null;
  const [, amount, unit = ""] = /^(\d{1,8})([smhd])$/.exec(text) ?? [];
  const seconds = amount !== undefined && isUnit(unit) ? Number(amount) * UNITS_S[unit] : 0;
  if (seconds >= 1 && seconds <= LONGEST_S) return seconds;
  throw new UsageError(`--for ${text}: give it as 90s, 30m, 12h or 7d, at most 365d`);
};

const readReason = (text: string | undefined): string => {
  if (!text || text.length > MAX_REASON_LENGTH || /\p{Cc}/u.test(text))
    throw new UsageError(
      `--reason is missing, longer than ${MAX_REASON_LENGTH} characters, or not on one line`,
    );
  return text;
};

const readNetwork = (words: readonly string[]): Network => {
  const [word = "", ...others] = words;
  if (others.length > 0) throw new UsageError(`one address or range at a time: ${words.join(" ")}`);
  const network = readBlockable(word);
  if (typeof network !== "string") return network;
  throw new UsageError(word === "" ? "an address or a range is missing" : `${word}: ${network}`);
};

const untilOf = ({ expiresAt }: Block): string =>
  expiresAt === null ? "for ever" : `until ${expiresAt.toISOString()}`;

const publish = ({ pool, redis, keyPrefix, print }: PlaceContext): Promise<boolean> =>
  publishChange(() => publishBlocklist(pool, redis, keyPrefix), print);

const printList = async ({ pool, print }: PlaceContext): Promise<void> => {
  const blocks = await listBlocks(pool, { most: LISTED + 1 });
  for (const block of blocks.slice(0, LISTED))
    print([block.network, untilOf(block), block.source, block.reason].join("  "));
  if (blocks.length > LISTED) print(`… and more: only the newest ${LISTED} are listed`);
};

const block = async (context: PlaceContext, args: string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { for: { type: "string" }, reason: { type: "string" } },
  });
  const network = readNetwork(positionals);
  const reason = readReason(values.reason);
  const forS = readDuration(values.for);
  const set = await setBlock(context.pool, { network, reason, forS });
  if (set === undefined)
    throw new UsageError(`there are ${MAX_ENTRIES} entries already, which is as many as there may be`);
  const isPublished = await publish(context);
  const done = `blocked ${set.network} ${untilOf(set)}`;
  context.print(isPublished ? `${done}: within 10 s it is refused everywhere` : done);
};

/** @throws UsageError */
export const runBlockCommand = (context: PlaceContext, args: string[]): Promise<void> =>
  runWords(async () => {
    if (args[0] !== "list") return await block(context, args);
    if (args.length > 1) throw new UsageError(`list takes no words: ${args.slice(1).join(" ")}`);
    await printList(context);
  });

/** @throws UsageError */
export const runUnblockCommand = (context: PlaceContext, args: string[]): Promise<void> =>
  runWords(async () => {
    const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
    const network = readNetwork(positionals);
    const removed = await removeBlock(context.pool, { network });
    const [wider] = await widerBlocks(context.pool, network);
    if (removed === undefined) {
      const hint =
        wider === undefined ? "" : `; it lies in ${wider.network}, which is blocked ${untilOf(wider)}`;
      throw new UsageError(`${writeCidr(network)} is not blocked by itself${hint}`);
    }
    const isPublished = await publish(context);
    context.print(
      isPublished ? `unblocked ${removed.network}: within 10 s everywhere` : `unblocked ${removed.network}`,
    );
    if (wider !== undefined)
      context.print(`It still lies in ${wider.network}, which is blocked ${untilOf(wider)}.`);
  });
