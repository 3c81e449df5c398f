/** No field is misspelt, every one has its type, and what is required is there: each is known to its kind's schema. */
import type { Check } from "../support/check.ts";
import { unknownFields } from "../support/fields.ts";
import { schemaFaults } from "../support/kinds.ts";
import { titleOf } from "../support/manifests.ts";

export const fields: Check = ({ all }) => unknownFields(all);

export const types: Check = ({ all }) =>
  all.flatMap((object) => schemaFaults(object).map((fault) => `${titleOf(object)}: ${fault}`));
