/** `keys create|list|revoke`, on a database and the Redis where its keys are published. */
import { contract } from "../../contract/contract.ts";
import { keyScopes } from "../../contract/scopes.ts";
import { keysUsage, runKeysCommand } from "../keys/keys-command.ts";
import { type PlaceCommand, runAtPlace } from "./at-place.ts";

export const keysCommand: PlaceCommand = (place, args, terminal, call) =>
  runAtPlace(place, terminal, keysUsage(call), (context) =>
    runKeysCommand({ ...context, scopes: keyScopes(contract), now: Date.now }, args),
  );
