/** Addresses, networks, and the blocklist that an edge reads. */
import fc from "fast-check";
import * as z from "zod/mini";
import { compileBlocklist, readBlocklist } from "../../../src/middleware/blocklist/blocklist.ts";
import { isTooWide, overlap, parseNetwork, writeCidr } from "../../../src/middleware/blocklist/network.ts";
import { readParts, writeParts } from "../../../src/middleware/blocklist/snapshot.ts";
import {
  clientIdentities,
  isClient,
  parseAddress,
  writeAddress,
} from "../../../src/middleware/context/client.ts";
import { lastOf } from "../../../src/origin/middleware/context.ts";
import { nearTexts } from "../mutate.ts";
import { defineTarget, must, mustEqual } from "../target.ts";

const WORDS = ["::", "ffff", ":1", "/32", "/128", "/0", ".0", "0x7f", "255", "64:ff9b::", "]:80", "["];

export const addresses = defineTarget({
  name: "addresses",
  files: ["middleware/context/client.ts", "middleware/blocklist/network.ts"],
  schema: z.string(),
  inputs: (seeds) => nearTexts(seeds, WORDS),
  start: () => {
    const identify = clientIdentities(100);
    const ten = parseNetwork("10.0.0.0/8");
    return {
      run: (text) => {
        const address = parseAddress(text);
        const client = identify(text);
        must(isClient(client.name), "a name that is no client's");
        mustEqual(identify(client.name).network, client.network, "the network of a canonical name");
        mustEqual(identify(null).name, "unknown", "no address");
        if (address !== undefined) {
          must(address.bytes.length === (address.family === 4 ? 4 : 16), "the length of an address");
          mustEqual(parseAddress(writeAddress(address)), address, "an address written and read");
        }
        lastOf(text);
        const network = parseNetwork(text);
        if (network === undefined) return;
        const written = writeCidr(network);
        mustEqual(parseNetwork(written), network, "a network written and read");
        must(overlap(network, network), "a network without itself");
        must(ten === undefined || overlap(network, ten) === overlap(ten, network), "one-sided overlap");
        isTooWide(network);
      },
    };
  },
});

const NOW_MS = 1_800_000_000_000;
const someClients = ["192.0.2.7", "10.1.2.3", "2001:db8::7", "::", "255.255.255.255"];

/** A list of networks as text, `!` before an automatic one, and what is done to the compiled bytes. */
const blocklistInput = z.object({
  networks: z.array(z.string()),
  /** At which byte, and what it becomes. */
  changes: z.array(z.tuple([z.number(), z.number()])),
  cutBytes: z.number(),
  parts: z.record(z.string(), z.string()),
});

export const blocklists = defineTarget({
  name: "blocklists",
  files: ["middleware/blocklist/blocklist.ts"],
  schema: blocklistInput,
  inputs: (seeds) => {
    const network = nearTexts(
      seeds.flatMap(({ networks }) => networks),
      WORDS,
    );
    const known = fc.constantFrom(...seeds.flatMap(({ networks }) => networks));
    const small = fc.nat({ max: 12 });
    const changes = fc.array(fc.tuple(fc.oneof(small, fc.nat({ max: 400 })), fc.nat({ max: 255 })), {
      maxLength: 4,
    });
    return fc.record({
      networks: fc.array(fc.oneof({ weight: 3, arbitrary: known }, { weight: 1, arbitrary: network }), {
        maxLength: 8,
      }),
      changes: fc.oneof(fc.constant<[number, number][]>([]), changes),
      cutBytes: fc.oneof(
        { weight: 4, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.nat({ max: 64 }) },
      ),
      parts: fc.dictionary(fc.constantFrom("@parts", "0", "1", "2"), nearTexts(["1", "2", "QUJD", "QQ=="]), {
        maxKeys: 3,
      }),
    });
  },
  start: () => ({
    run: ({ networks, changes, cutBytes, parts }) => {
      const written = [...new Set(networks)].flatMap((text) => {
        const isAutomatic = text.startsWith("!");
        const network = parseNetwork(isAutomatic ? text.slice(1) : text);
        return network === undefined
          ? []
          : [{ network, isAutomatic, expiresAtMs: isAutomatic ? NOW_MS + 60_000 : null }];
      });
      const entries = [...new Map(written.map((entry) => [writeCidr(entry.network), entry])).values()];
      const bytes = compileBlocklist(entries);
      const list = readBlocklist(bytes);
      mustEqual(list?.size, entries.length, "entries after compilation");
      for (const { network } of entries)
        must(
          list?.match({ family: network.family, bytes: network.bytes }, NOW_MS) !== undefined,
          "a block without effect",
        );
      mustEqual(
        Buffer.from(readParts(writeParts(bytes)) ?? []).equals(Buffer.from(bytes)),
        true,
        "parts read again",
      );
      const changed = bytes.slice(0, bytes.byteLength - cutBytes);
      for (const [place, value] of changes) changed[place % Math.max(1, changed.byteLength)] = value;
      // Of Node's buffers, and of an unaligned one.
      const unaligned = Buffer.concat([Buffer.alloc(1), changed]).subarray(1);
      for (const each of [changed, unaligned]) {
        const other = readBlocklist(each);
        for (const text of someClients) {
          const address = parseAddress(text);
          if (address !== undefined) other?.match(address, NOW_MS);
        }
      }
      const read = readParts(parts);
      if (read !== undefined) readBlocklist(read);
    },
  }),
});
