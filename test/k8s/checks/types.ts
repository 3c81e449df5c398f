/** Every field has its type, and what is required is there. */
import type { Check } from "../support/check.ts";
import { schemaFaults } from "../support/kinds.ts";
import { titleOf } from "../support/manifests.ts";

export const types: Check = {
  name: "types",
  find: ({ all }) =>
    all.flatMap((object) => schemaFaults(object).map((fault) => `${titleOf(object)}: ${fault}`)),
};
