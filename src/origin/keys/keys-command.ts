/** `keys create|list|revoke`: API keys, from the command line. */
import { randomFillSync } from "node:crypto";
import { parseArgs } from "node:util";
import { createKey } from "../../middleware/auth/api-key.ts";
import type { PlaceContext } from "../commands/at-place.ts";
import { readPrincipal, runSubcommand, type Subcommands, UsageError } from "../commands/subcommand.ts";
import { publishChange } from "../snapshots/publisher.ts";
import { insertKey, listKeys, revokeKey } from "./key-store.ts";
import { publishKeys } from "./publish-keys.ts";

/** @param call how the command is called: `npm run keys --` */
export const keysUsage = (call: string): string =>
  `usage: ${call} create --principal NAME --scopes SCOPE[,SCOPE] [--name TEXT] [--expires-in 90d]
       ${call} list
       ${call} revoke ID`;

export interface KeysContext extends PlaceContext {
  /** Scopes that a key may have. */
  readonly scopes: readonly string[];
  readonly now: () => number;
}

const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const isUnit = (text: string): text is keyof typeof UNITS_MS => text in UNITS_MS;

const expiryMs = (text: string | undefined, nowMs: number): number | null => {
  if (text === undefined) return null;
  const [, amount, unit = ""] = /^(\d{1,4})([mhd])$/.exec(text) ?? [];
  if (amount === undefined || !isUnit(unit))
    throw new UsageError(`--expires-in ${text}: give it as 30m, 12h or 90d`);
  return nowMs + Number(amount) * UNITS_MS[unit];
};

const publish = ({ pool, redis, keyPrefix, print }: KeysContext): Promise<boolean> =>
  publishChange(() => publishKeys(pool, redis, keyPrefix), print);

const create = async (context: KeysContext, args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      principal: { type: "string" },
      scopes: { type: "string" },
      name: { type: "string", default: "" },
      "expires-in": { type: "string" },
    },
  });
  const { name } = values;
  const principal = readPrincipal(values.principal);
  const scopes = (values.scopes ?? "").split(",").filter((scope) => scope !== "");
  const unknown = scopes.filter((scope) => !context.scopes.includes(scope));
  if (scopes.length === 0 || unknown.length > 0) {
    throw new UsageError(`--scopes ${unknown.join(",")}: there are ${context.scopes.join(", ")}`);
  }
  const expiresAtMs = expiryMs(values["expires-in"], context.now());
  const { id, key, hash } = createKey((bytes) => randomFillSync(bytes));
  await insertKey(context.pool, { id, hash, principal, scopes, expiresAtMs }, name);
  await publish(context);
  context.print(`id   ${id}`);
  context.print(`key  ${key}`);
  context.print("It is shown this once; only its hash is kept.");
};

const list = async ({ pool, print }: KeysContext): Promise<void> => {
  for (const key of await listKeys(pool)) {
    const state = key.revokedAt
      ? "revoked"
      : key.expiresAt
        ? `until ${key.expiresAt.toISOString()}`
        : "valid";
    print([key.id, key.principal, key.scopes.join(","), state, key.name].join("  "));
  }
};

const revoke = async (context: KeysContext, [id]: string[]): Promise<void> => {
  if (id === undefined) throw new UsageError("revoke takes the id of a key");
  if (!(await revokeKey(context.pool, id)))
    throw new UsageError(`there is no key ${id} that could be revoked`);
  const isPublished = await publish(context);
  context.print(isPublished ? `revoked ${id}: no edge takes it for longer than 10 s` : `revoked ${id}`);
};

const SUBCOMMANDS: Subcommands<KeysContext> = { create, list, revoke };

/** @throws UsageError */
export const runKeysCommand = (context: KeysContext, args: string[]): Promise<void> =>
  runSubcommand(SUBCOMMANDS, context, args);
