/** `block` and `unblock`, on a database and the Redis where the blocklist is published. */
import { blockUsage, runBlockCommand, runUnblockCommand, unblockUsage } from "../blocklist/block-command.ts";
import { type PlaceCommand, runAtPlace } from "./at-place.ts";

export const blockCommand: PlaceCommand = (place, args, terminal, call) =>
  runAtPlace(place, terminal, blockUsage(call), (context) => runBlockCommand(context, args));

export const unblockCommand: PlaceCommand = (place, args, terminal, call) =>
  runAtPlace(place, terminal, unblockUsage(call), (context) => runUnblockCommand(context, args));
