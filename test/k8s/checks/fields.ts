/** No field is misspelt: every one is known to its kind's schema. */
import type { Check } from "../support/check.ts";
import { unknownFields } from "../support/fields.ts";

export const fields: Check = { name: "fields", find: ({ all }) => unknownFields(all) };
