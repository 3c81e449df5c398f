/** The commands `block` and `unblock`. */
import { parseArgs } from "node:util";
import { type Network, writeCidr } from "../../../middleware/blocklist/network.ts";
import { MAX_ENTRIES } from "../../../middleware/blocklist/snapshot.ts";
import {
  type Command,
  type CommandContext,
  publishChange,
  readDuration,
  readText,
  TEXT,
  UsageError,
} from "../cli.ts";
import {
  type Block,
  blocklistPublication,
  findWiderBlock,
  listBlocks,
  parseNetworkToBlock,
  removeBlock,
  setBlock,
} from "./store.ts";

const MAX_DAYS = 365;
const MAX_LISTED = 1_000;

const readNetwork = ([word, ...others]: readonly string[]): Network => {
  if (word === undefined) throw new UsageError("an address or a range is missing");
  if (others.length > 0) throw new UsageError(`only one address or range at a time: ${others.join(" ")}`);
  const network = parseNetworkToBlock(word);
  if (typeof network === "string") throw new UsageError(`${word}: ${network}`);
  return network;
};

const untilOf = ({ expiresAt }: Block): string =>
  expiresAt === null ? "forever" : `until ${expiresAt.toISOString()}`;

const list = async ({ pool, print }: CommandContext, args: string[]): Promise<void> => {
  parseArgs({ args });
  const blocks = await listBlocks(pool, { most: MAX_LISTED + 1 });
  for (const block of blocks.slice(0, MAX_LISTED))
    print([block.network, untilOf(block), block.source, block.reason].join("  "));
  if (blocks.length > MAX_LISTED) print(`… and more: only the newest ${MAX_LISTED} are listed`);
};

const block = async (context: CommandContext, args: string[]): Promise<void> => {
  const options = { for: TEXT, reason: TEXT };
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
  const network = readNetwork(positionals);
  const reason = readText("reason", values.reason);
  const forS = readDuration("for", values.for, MAX_DAYS);
  const added = await setBlock(context.pool, { network, reason, forS });
  if (added === undefined) throw new UsageError(`the blocklist is full: it holds ${MAX_ENTRIES} entries`);
  const change = `blocked ${added.network} ${untilOf(added)}`;
  await publishChange(context, blocklistPublication, change, "rejected everywhere within 10 s");
};

const unblock = async (context: CommandContext, args: string[]): Promise<void> => {
  const { positionals } = parseArgs({ args, allowPositionals: true });
  const network = readNetwork(positionals);
  const removed = await removeBlock(context.pool, { network });
  const wider = await findWiderBlock(context.pool, network);
  const covered = wider && `covered by ${wider.network}, which is blocked ${untilOf(wider)}`;
  if (removed === undefined)
    throw new UsageError(`${writeCidr(network)} is not blocked itself${covered ? `; it is ${covered}` : ""}`);
  const change = `unblocked ${removed.network}`;
  await publishChange(context, blocklistPublication, change, "admitted everywhere within 10 s");
  if (covered) context.print(`${removed.network} is still ${covered}.`);
};

export const blockCommand: Command = {
  usage: ["ADDRESS|RANGE --reason TEXT [--for 1h]", "list"],
  run: (context, args) => (args[0] === "list" ? list(context, args.slice(1)) : block(context, args)),
};

export const unblockCommand: Command = { usage: ["ADDRESS|RANGE"], run: unblock };
