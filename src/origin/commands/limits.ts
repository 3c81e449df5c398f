/** `limits set|list|clear`, on a database and the Redis where its overrides of limits are published. */
import { contract } from "../../contract/contract.ts";
import { limitsUsage, runLimitsCommand } from "../limits/limits-command.ts";
import { type PlaceCommand, runAtPlace } from "./at-place.ts";

export const limitsCommand: PlaceCommand = (place, args, terminal, call) =>
  runAtPlace(place, terminal, limitsUsage(call), (context) =>
    runLimitsCommand({ ...context, routes: contract }, args),
  );
