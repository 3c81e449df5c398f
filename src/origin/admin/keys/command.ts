/** `keys create|list|revoke`: API keys. */
import { randomFillSync } from "node:crypto";
import { keyScopes } from "../../../contract/route.ts";
import { createKey } from "../../../middleware/auth/api-keys.ts";
import {
  type Command,
  type CommandContext,
  parseOptions,
  publishChange,
  readDuration,
  readPrincipal,
  subcommands,
  TEXT,
  UsageError,
} from "../cli.ts";
import { keysPublication } from "./publish.ts";
import { insertKey, type KeyListing, listKeys, revokeKey } from "./store.ts";

const MAX_LIFETIME_DAYS = 9_999;

const create = async (context: CommandContext, args: string[]): Promise<void> => {
  const options = { principal: TEXT, scopes: TEXT, name: TEXT, "expires-in": TEXT };
  const { values } = parseOptions({ args, options });
  const principal = readPrincipal(values.principal);
  const scopes = (values.scopes ?? "").split(",").filter((scope) => scope !== "");
  const validScopes = keyScopes(context.routes);
  const unknown = scopes.filter((scope) => !validScopes.includes(scope));
  if (scopes.length === 0 || unknown.length > 0)
    throw new UsageError(`--scopes ${unknown.join(",")}: choose from ${validScopes.join(", ")}`);
  const lifetimeS = readDuration("expires-in", values["expires-in"], MAX_LIFETIME_DAYS);
  const expiresAtMs = lifetimeS === null ? null : Math.round(Date.now() + lifetimeS * 1_000);
  const { id, key, hash } = createKey((bytes) => randomFillSync(bytes));
  await insertKey(context.pool, { id, hash, principal, scopes, expiresAtMs }, values.name ?? "");
  context.print(`id   ${id}`);
  context.print(`key  ${key}`);
  context.print("Save the key now: it is shown only once, and only its hash is stored.");
  await publishChange(context, keysPublication, `created ${id}`, "valid now");
};

const stateOf = ({ revokedAt, expiresAt }: KeyListing): string => {
  if (revokedAt !== null) return "revoked";
  return expiresAt === null ? "valid" : `until ${expiresAt.toISOString()}`;
};

const list = async ({ pool, print }: CommandContext, args: string[]): Promise<void> => {
  parseOptions({ args });
  for (const key of await listKeys(pool))
    print([key.id, key.principal, key.scopes.join(","), stateOf(key), key.name].join("  "));
};

const revoke = async (context: CommandContext, [id]: string[]): Promise<void> => {
  if (id === undefined) throw new UsageError("the id of a key is missing");
  if (!(await revokeKey(context.pool, id))) throw new UsageError(`no key ${id}, or it is revoked already`);
  await publishChange(context, keysPublication, `revoked ${id}`, "rejected everywhere within 10 s");
};

export const keysCommand: Command = {
  usage: [
    "create --principal NAME --scopes SCOPE[,SCOPE] [--name TEXT] [--expires-in 90d]",
    "list",
    "revoke ID",
  ],
  run: subcommands({ create, list, revoke }),
};
