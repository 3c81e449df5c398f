/** Cursors of paged lists: none but those of the list itself open it. */
import fc from "fast-check";
import * as z from "zod/mini";
import { parseSigningKeys } from "../../../src/middleware/signature/signing-keys.ts";
import { nodeHmac } from "../../../src/origin/config/hmac.ts";
import { cursorsOf, filterOf, pageOf } from "../../../src/origin/cursors.ts";
import { ProblemError } from "../../../src/origin/middleware/error-handler.ts";
import { fingerprint, keyOf } from "../../../src/origin/middleware/idempotency.ts";
import { nearTexts } from "../mutate.ts";
import { defineTarget, must, mustEqual } from "../target.ts";

/** An API key's, as the origin's configuration has them. */
const SIGNING_KEYS = `new:${"A".repeat(43)}=,old:${"B".repeat(42)}A=`;
/** Of base64url: the last character of a cursor may have bits that it does not need. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const list = { operation: "listOrders", principal: "alice", filter: '[["q","lamp"]]' };

export const cursors = defineTarget({
  name: "cursors",
  files: ["origin/cursors.ts", "lib/encoding.ts"],
  schema: z.object({ text: z.string(), position: z.string() }),
  inputs: (seeds) =>
    fc.record({
      text: nearTexts(
        seeds.map(({ text }) => text),
        ["A", "_", "-", "=", "=="],
      ),
      position: nearTexts(seeds.map(({ position }) => position)),
    }),
  start: () => {
    const keys = parseSigningKeys(SIGNING_KEYS, nodeHmac);
    if (keys === undefined) throw new Error("wrong signing keys");
    const own = cursorsOf(keys, () => list);
    const others = [{ principal: undefined }, { operation: "listProducts" }, { filter: "" }].map((change) =>
      cursorsOf(keys, () => ({ ...list, ...change })),
    );
    const older = cursorsOf([keys[1] ?? keys[0]], () => list);
    const opened = (cursor: string, by = own): string | undefined => {
      try {
        return by.open(cursor);
      } catch (error) {
        if (error instanceof ProblemError && error.problem.code === "invalid_request") return undefined;
        throw error;
      }
    };
    return {
      run: ({ text, position }) => {
        const found = opened(text);
        if (found !== undefined)
          must(
            [own, older].some((by) => by.seal(found) === text),
            "a forged cursor",
          );
        const valid = own.seal("p");
        const spelled = valid.slice(0, -1) + ALPHABET[text.length % ALPHABET.length];
        must(spelled === valid || opened(spelled) === undefined, "another spelling of a cursor");
        // As the database gives it.
        const isText = position.isWellFormed();
        const cursor = own.seal(position);
        if (isText) mustEqual(opened(cursor), position, "a position sealed and opened");
        if (isText) mustEqual(opened(older.seal(position)), position, "a cursor of the older key");
        for (const other of others) must(opened(cursor, other) === undefined, "a cursor of another list");
        must(own.open(undefined) === undefined, "no cursor");
        const page = pageOf([{ id: position }, { id: text }], 1, own);
        must(page.items.length === 1 && page.nextCursor !== null, "a page");
        filterOf({ q: text, b: position, cursor: "x" });
        filterOf(text);
        keyOf(text);
        fingerprint("POST", text, Buffer.from(position));
      },
    };
  },
});
