/** Compiles a blocklist into its binary form (`form.ts`). */
import {
  type Columns,
  FOR_EVER,
  FORM_VERSION,
  layoutOf,
  MAGIC,
  NO_PARENT,
  WORD_BYTES,
} from "./binary-format.ts";
import { type Network, overlap, wordAt } from "./network.ts";

export interface BlocklistEntry {
  readonly network: Network;
  /** Epoch milliseconds; null for ever. */
  readonly expiresAtMs: number | null;
}

/** By the first address, the wider before the narrower. */
const compare = ({ network: a }: BlocklistEntry, { network: b }: BlocklistEntry): number => {
  for (let at = 0; at < a.bytes.length; at += WORD_BYTES) {
    const difference = wordAt(a, at) - wordAt(b, at);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
};

const LAST_SECOND = 0xffff_ffff;

/** What ended at the epoch's beginning is not for ever, and what ends after the last second that can be written is. */
const expiryOf = (expiresAtMs: number | null): number => {
  if (expiresAtMs === null) return FOR_EVER;
  const seconds = Math.max(1, Math.ceil(expiresAtMs / 1_000));
  return seconds > LAST_SECOND ? FOR_EVER : seconds;
};

const lasting = (a: BlocklistEntry, b: BlocklistEntry): BlocklistEntry => {
  if (a.expiresAtMs === null || b.expiresAtMs === null) return a.expiresAtMs === null ? a : b;
  return a.expiresAtMs >= b.expiresAtMs ? a : b;
};

/** In order, each network once: where it is named twice, the entry that lasts longest. */
const sorted = (entries: readonly BlocklistEntry[], family: 4 | 6): BlocklistEntry[] => {
  const unique: BlocklistEntry[] = [];
  for (const entry of entries.filter(({ network }) => network.family === family).sort(compare)) {
    const last = unique.at(-1);
    if (last !== undefined && compare(last, entry) === 0) unique[unique.length - 1] = lasting(last, entry);
    else unique.push(entry);
  }
  return unique;
};

const writeColumns = (view: DataView, columns: Columns, entries: readonly BlocklistEntry[]): void => {
  /** The numbers of the entries that hold the present one, the widest first. */
  const holders: number[] = [];
  const holds = (number: number, network: Network): boolean => {
    const holder = entries[number - 1];
    return holder !== undefined && overlap(holder.network, network);
  };
  let startAt = columns.starts;
  entries.forEach(({ network, expiresAtMs }, index) => {
    while (holders.length > 0 && !holds(holders.at(-1) ?? NO_PARENT, network)) holders.pop();
    for (let at = 0; at < network.bytes.length; at += WORD_BYTES, startAt += WORD_BYTES)
      view.setUint32(startAt, wordAt(network, at), true);
    view.setUint32(columns.expiries + index * WORD_BYTES, expiryOf(expiresAtMs), true);
    view.setUint32(columns.parents + index * WORD_BYTES, holders.at(-1) ?? NO_PARENT, true);
    view.setUint8(columns.lengths + index, network.length);
    holders.push(index + 1);
  });
};

/** The order of the entries does not matter; the nearer it is to that of the form, the quicker. */
export const compileBlocklist = (entries: readonly BlocklistEntry[]): Uint8Array<ArrayBuffer> => {
  const ipv4 = sorted(entries, 4);
  const ipv6 = sorted(entries, 6);
  const layout = layoutOf(ipv4.length, ipv6.length);
  const bytes = new Uint8Array(layout.bytes);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of [MAGIC, FORM_VERSION, ipv4.length, ipv6.length].entries())
    view.setUint32(index * WORD_BYTES, word, true);
  writeColumns(view, layout.ipv4, ipv4);
  writeColumns(view, layout.ipv6, ipv6);
  return bytes;
};
